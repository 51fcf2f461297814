//! Who sees what: sessions, links, roles, and that customers never meet at any address.

use super::*;

#[test]
fn without_signing_in_there_is_nothing_to_see() {
    let pages = Pages::start();
    pages.hostile();
    let wrong = new_token().unwrap();
    let right = &pages.token;
    for target in ["/", "/customers/7", "/thumbnails/1", "/customers/99"] {
        for cookie in [String::new(), pages.cookie(&wrong), pages.cookie(""), pages.cookie(right)] {
            let answer = pages.ask("GET", target, &cookie);
            assert_eq!((status(&answer), header(&answer, "location")), (303, Some("/sign-in")), "{target}");
            assert!(!answer.contains("mallory"));
        }
    }
    for given in [&wrong, "", &right[..42], &format!("{right}x"), &format!("x{right}")] {
        let answer = pages.ask("GET", &format!("/?token={given}"), &pages.operator);
        assert_eq!(status(&answer), 403, "{given}");
        assert!(!answer.contains("mallory"));
    }
    let other_port = pages.operator.replace(&format!("reunite-{}=", pages.address.port()), "reunite-1=");
    assert_eq!(status(&pages.ask("GET", "/", &other_port)), 303, "another port's cookie");
}

#[test]
fn the_token_becomes_a_session_and_leaves_the_address() {
    let pages = Pages::start();
    let token = &pages.token;
    let answer = pages.ask("GET", &format!("/customers/7/missing?token={token}&page=2"), "");
    assert_eq!(status(&answer), 303);
    assert_eq!(header(&answer, "location"), Some("/customers/7/missing?page=2"));
    let cookie = header(&answer, "set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(token.as_str()), "the cookie is a secret of its own");
    assert_eq!(status(&pages.ask("GET", "/", &given_cookie(&answer))), 200);
    // The way on stays on this server.
    let answer = pages.ask("GET", &format!("//evil.example/?token={token}"), "");
    assert_eq!(header(&answer, "location"), Some("/evil.example/"));
}

/// Every address of the table that carries an id and that customers come to, with the ids of a customer of
/// [`Pages::two_customers`] in it.
fn addresses_of(customer: i64) -> Vec<(MethodFilter, Carries, String)> {
    let for_customers = |who| matches!(who, Who::Anyone | Who::SignedIn);
    let with_ids = table().into_iter().filter(|route| route.path.contains('{') && for_customers(route.who));
    with_ids
        .map(|route| {
            assert_ne!(route.id, Id::None, "{}: nobody says whose id this is", route.path);
            assert_eq!(route.who, Who::SignedIn, "{}", route.path);
            // The things of a customer have the customer's own number there.
            let path = route
                .path
                .replace("{id}", &customer.to_string())
                .replace("{list}", "missing")
                .replace("{program}", "winscp.ini")
                .replace("{file}", "missing.csv");
            assert!(!path.contains('{'), "{}: this test does not know what belongs here", route.path);
            (route.method, route.carries, path)
        })
        .collect()
}

#[test]
fn a_customer_gets_nothing_of_anothers_at_any_address() {
    let pages = Pages::start();
    pages.two_customers();
    let (anna, bert) = (pages.sign_in("anna"), pages.sign_in("bert"));
    let word = |method| match method {
        MethodFilter::HEAD => "HEAD",
        MethodFilter::PATCH => "PATCH",
        MethodFilter::DELETE => "DELETE",
        MethodFilter::OPTIONS => "OPTIONS",
        _ => "POST",
    };
    let ask = |cookie: &str, method: MethodFilter, carries: Carries, path: &str| match method {
        _ if carries == Carries::Stream => {
            let headers = format!("{cookie}Reunite-Mark: {}\r\nUpload-Offset: 1\r\n", pages.mark(cookie));
            pages.send(word(method), path, &headers, b"")
        }
        MethodFilter::POST if carries == Carries::Files => {
            let form = format!(
                "--b\r\nContent-Disposition: form-data; name=\"mark\"\r\n\r\n{}\r\n--b--\r\n",
                pages.mark(cookie)
            );
            pages.send(
                "POST",
                path,
                &format!("{cookie}Content-Type: multipart/form-data; boundary=b\r\n"),
                form.as_bytes(),
            )
        }
        MethodFilter::POST => pages.post(path, cookie, &format!("mark={}", pages.mark(cookie))),
        _ => pages.ask("GET", path, cookie),
    };
    let addresses = addresses_of(7);
    assert!(addresses.len() >= 7);
    for (method, carries, path) in addresses {
        // What ends a thing is asked by its owner last.
        let foreign = ask(&bert, method, carries, &path);
        let own = ask(&anna, method, carries, &path);
        assert!(!matches!(status(&own), 403 | 404), "{path} is not even anna's own: {own}");
        assert_eq!(status(&foreign), 404, "{path}");
        // Nor does the answer tell whether there is such a thing.
        let absent = ask(&bert, method, carries, &path.replace('7', "70"));
        let body = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!(body(&foreign), body(&absent), "{path}");
        if method != MethodFilter::DELETE {
            assert_eq!(status(&ask(&pages.operator, method, carries, &path)), status(&own), "{path}");
        }
    }
    assert_eq!(pages.home(&anna), "/customers/7");
    assert!(!pages.ask("GET", "/customers/7", &anna).contains("href=\"/\">Customers"));
}

#[test]
fn sessions_end_with_the_account_and_with_the_next_sign_in() {
    let pages = Pages::start();
    pages.two_customers();
    let first = pages.sign_in("anna");
    let answer = pages.post("/sign-in", &first, "name=anna&password=anna");
    let second = given_cookie(&answer);
    assert_ne!(first, second);
    assert_eq!(status(&pages.ask("GET", "/customers/7", &first)), 303, "rotated");
    assert_eq!(status(&pages.ask("GET", "/customers/7", &second)), 200);
    let kept = rusqlite::Connection::open(pages.catalogue.path()).unwrap();
    let secret = second.trim().rsplit('=').next().unwrap().to_owned();
    let found: i64 = kept
        .query_row("SELECT count(*) FROM sessions WHERE hash = CAST(?1 AS BLOB)", [&secret], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 0, "the catalogue keeps digests alone");
    let anna = crate::domain::CustomerId(7);
    pages.catalogue.write(move |tx| tx.customer_set_disabled(anna, true)).unwrap();
    assert_eq!(status(&pages.ask("GET", "/customers/7", &second)), 303);
    pages.catalogue.write(move |tx| tx.customer_set_disabled(anna, false)).unwrap();
    assert_eq!(status(&pages.ask("GET", "/customers/7", &second)), 303, "it does not come back with the account");
    let third = pages.sign_in("anna");
    pages.sql("UPDATE sessions SET ends_at = 1 WHERE customer = 7");
    assert_eq!(status(&pages.ask("GET", "/customers/7", &third)), 303, "over");
}

#[test]
fn a_link_opens_once_by_post_and_in_time() {
    let pages = Pages::start();
    pages.two_customers();
    let link = |ends: i64| {
        let key = new_token().unwrap();
        let hash = Digest::of(key.as_bytes());
        let anna = crate::domain::CustomerId(7);
        pages.catalogue.write(move |tx| tx.link_add(&hash, anna, Micros(0), Micros(ends))).unwrap();
        key
    };
    let key = link(i64::MAX);
    for _ in 0..2 {
        let page = pages.ask("GET", &format!("/link?key={key}"), "");
        assert_eq!((status(&page), header(&page, "set-cookie")), (200, None), "looking does not use it up");
    }
    let answer = pages.post("/link", "", &format!("key={key}"));
    assert_eq!(pages.home(&given_cookie(&answer)), "/customers/7");
    for spent in [key, link(1), new_token().unwrap(), String::new()] {
        let answer = pages.post("/link", "", &format!("key={spent}"));
        assert_eq!((status(&answer), header(&answer, "set-cookie")), (403, None));
    }
    let key = link(i64::MAX);
    pages.sql("UPDATE customers SET disabled = 1 WHERE id = 7");
    assert_eq!(status(&pages.post("/link", "", &format!("key={key}"))), 403);
}

#[test]
fn staff_see_all_and_failures_close_the_door() {
    let pages = Pages::start();
    pages.two_customers();
    let hash = hash_password(b"desk").unwrap();
    pages.sql(&format!(
        "INSERT INTO users (id, name, role, password_hash, created_at) VALUES (1, 'sue', 'support', '{hash}', 0)"
    ));
    let sue = given_cookie(&pages.post("/sign-in/staff", "", "name=sue&password=desk"));
    let page = pages.ask("GET", "/", &sue);
    assert!(page.contains("anna") && page.contains("bert") && page.contains(">sue<"), "{page}");
    assert_eq!(status(&pages.post("/sign-in", "", "name=sue&password=desk")), 403, "not a customer");
    for _ in 0..3 {
        let answer = pages.post("/sign-in/staff", "", "name=%3Cb%3Eno&password=x");
        assert_eq!(status(&answer), 403);
        assert!(
            answer.contains("The name, the password or the code is wrong") && !answer.contains("<b>no"),
            "{answer}"
        );
    }
    assert_eq!(
        status(&pages.post("/sign-in", "", "name=bert&password=bert")),
        429,
        "the address is closed for a while"
    );
    let known = pages.post("/sign-in/staff", "", "name=sue&password=desk");
    assert_eq!(status(&known), 303, "but not for whoever signed in from here before");
}

#[test]
fn what_is_for_staff_is_not_there_for_customers() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let routes: Vec<_> = table().into_iter().filter(|route| matches!(route.who, Who::Staff | Who::Operator)).collect();
    assert!(!routes.is_empty());
    for route in routes {
        let path = route.path.replace("{form}", "matches.csv").replace("{id}", "7");
        assert!(!path.contains('{'), "{path}: this test does not know what belongs here");
        if route.method == MethodFilter::POST {
            assert_eq!(status(&pages.post(&path, &anna, &format!("mark={}", pages.mark(&anna)))), 404, "{path}");
            assert_eq!(status(&pages.post(&path, "", "")), 403, "{path}");
            continue;
        }
        assert_eq!(status(&pages.ask("GET", &path, &anna)), 404, "{path}");
        assert_eq!(status(&pages.ask("GET", &path, "")), 303, "{path}");
        // What carries an id is there for staff where the thing is: the queue's own tests.
        if route.id == Id::None {
            assert_eq!(status(&pages.get(&path)), 200, "{path}");
        }
    }
}

#[test]
fn what_is_for_programs_is_for_nobody_without_a_token() {
    let pages = Pages::start();
    pages.two_customers();
    let anna = pages.sign_in("anna");
    let routes: Vec<_> = table().into_iter().filter(|route| matches!(route.who, Who::Program(_))).collect();
    assert!(routes.len() >= 8);
    for route in routes {
        let Who::Program(scope) = route.who else { unreachable!() };
        let others: Vec<Scope> = Scope::ALL.into_iter().filter(|other| *other != scope).collect();
        let other = pages.program(&format!("{} {:?}", route.path, route.method), &others);
        let path = route.path.replace("{customer}", "anna").replace("{record}", "of-anna").replace("{candidate}", "7");
        assert!(!path.contains('{'), "{path}: this test does not know what belongs here");
        let ask = |headers: &str| match route.method {
            MethodFilter::POST => pages.post(&path, headers, ""),
            _ => pages.ask("GET", &path, headers),
        };
        for cookie in ["", &anna, &pages.operator, &format!("{anna}Accept: text/html\r\n")] {
            let answer = ask(cookie);
            assert_eq!(
                (status(&answer), header(&answer, "www-authenticate")),
                (401, Some("Bearer")),
                "{path} {cookie}"
            );
            assert_eq!(header(&answer, "content-type"), Some("application/json"));
            assert!(!answer.contains("of-anna"));
        }
        let answer = ask(&other);
        assert_eq!(status(&answer), 403, "{path}");
        assert!(answer.contains(&format!("scope `{scope}`")), "{answer}");
    }
}
