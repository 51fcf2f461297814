use super::*;

#[test]
fn the_template_says_the_defaults() {
    let template: Config = toml::from_str(TEMPLATE).unwrap();
    assert_eq!(template, Config::default());
    let bare: String =
        TEMPLATE.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).fold(String::new(), |mut text, line| {
            // Lines that show a setting, commented out or not.
            if line.starts_with('[') || line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) {
                text.push_str(line);
                text.push('\n');
            }
            text
        });
    let mut shown: Config = toml::from_str(&bare).unwrap();
    // Settings whose default is "nothing" are shown with an example.
    shown.ftp.passive_address = None;
    shown.web.public_address = None;
    shown.mail =
        Mail { shop: shown.mail.shop, quiet_seconds: shown.mail.quiet_seconds, tls: shown.mail.tls, ..Mail::default() };
    shown.ftp.also.clear();
    shown.limits.quota_bytes = None;
    shown.limits.quota_files = None;
    shown.receive.min_free_bytes = None;
    assert_eq!(shown, Config::default());
}

#[test]
fn variables_lie_over_the_file() {
    let mut table: toml::Table = "[ftp]\ntls = \"off\"\n".parse().unwrap();
    let variables = [("REUNITE_FTP_TLS", "required"), ("REUNITE_LIMITS_CONNECTIONS", "7"), ("PATH", "/bin")];
    overlay(&mut table, variables.iter().map(|(name, value)| (name.to_string(), value.to_string()))).unwrap();
    let config: Config = table.try_into().unwrap();
    assert_eq!(config.ftp.tls, Tls::Required);
    assert_eq!(config.limits.connections, 7);
}

#[test]
fn a_list_may_be_given_as_one_text() {
    let tiers =
        |text: &str| text.parse::<toml::Table>().unwrap().try_into::<Config>().map(|config| config.attach.tiers);
    assert_eq!(tiers("[attach]\ntiers = [\"digest\", \"bytes\"]").unwrap(), [Tier::Digest, Tier::Bytes]);
    assert_eq!(tiers("[attach]\ntiers = \"digest, recipe\"").unwrap(), [Tier::Digest, Tier::Recipe]);
    assert_eq!(tiers("[attach]\ntiers = \"\"").unwrap(), []);
    let error = tiers("[attach]\ntiers = \"pixels\"").unwrap_err().to_string();
    assert!(error.contains("pixels") && error.contains("recipe"), "{error}");
}

#[test]
fn an_unknown_setting_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("reunite.toml"), "[ftp]\nlissten = \"127.0.0.1:21\"\n").unwrap();
    let error = Config::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("lissten"), "{error}");
}

#[test]
fn listeners_and_networks_are_one_or_several() {
    let config = |text: &str| text.parse::<toml::Table>().unwrap().try_into::<Config>();
    let several = config(
        "[ftp]\nlisten = [\"0.0.0.0:21\", \"[::1]:21\"]\npassive_port_first = 5\npassive_port_last = 9\n\
         passive_address = \"203.0.113.7\"\nproxy_from = \"10.0.0.1, 10.1.0.0/16\"\n\
         [[ftp.also]]\nlisten = \"192.0.2.7:2121\"\npassive_address = \"ftp.example.net\"\nproxy_from = []\n",
    )
    .unwrap();
    let groups = several.ftp.listeners();
    assert_eq!((groups.len(), groups[0].listen.len()), (2, 2));
    assert!(groups[0].proxy_from.contains([10, 1, 2, 3].into()));
    assert!(groups[1].proxy_from.is_empty());
    assert_eq!(groups[1].passive_address, Some(Outside::Name("ftp.example.net".into())));
    assert_eq!((groups[1].passive_port_first, groups[1].passive_port_last), (5, 9), "as in the section");
    for (text, says) in [
        ("[ftp]\nlisten = \"localhost\"", "localhost"),
        ("[limits]\nallow = [\"10.0.0.1/8\"]", "write `10.0.0.0/8`"),
        ("[[ftp.also]]\nlissten = \"127.0.0.1:1\"", "lissten"),
    ] {
        let error = config(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
