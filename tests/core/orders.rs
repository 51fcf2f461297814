//! The shop's orders: brought in whole or not at all, and told from others by what came back.

use crate::support::{Shop, fixture, sha256};

#[test]
fn orders_say_which_are_complete_again() {
    let shop = Shop::new();
    let digest = sha256(&fixture("originals/harbour.jpg"));
    shop.import(&format!("record,customer,thumbnail,sha256\nR-1,anna,,{digest}\nR-2,anna,,\nR-3,ben,,\n"));
    let orders = shop.scratch().join("orders.csv");
    let import = |text: &str| {
        std::fs::write(&orders, text).unwrap();
        shop.run(["import-orders", orders.to_str().unwrap()])
    };
    let refused = import("order,record\n17,R-1\n17,R-9\n18,\n");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("row 4, column `record`"), "{said}");
    let refused = import("order,record\n17,R-1\n17,R-9\n");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("row 3, column `record`, value `R-9`: there is no such record"), "{said}");
    assert!(shop.report("orders").is_empty(), "a fault changes nothing");
    assert!(!import("order;picture\n17;R-1\n").status.success(), "no column `record`");

    let given = import("order;record;due\n17;R-1;May\n17;R-2;May\n18;R-1;June\n19;R-3;\n");
    let said = String::from_utf8_lossy(&given.stderr).into_owned();
    assert!(given.status.success() && said.contains("4 rows, 4 new"), "{said}");
    let again = import("order;record;due\n17;R-2;July\n");
    assert!(String::from_utf8_lossy(&again.stderr).contains("1 row, 0 new"));
    shop.ok(["retire", "R-3"]);
    let folder = shop.scratch().join("dump");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(fixture("originals/harbour.jpg"), folder.join("a.jpg")).unwrap();
    shop.ok(["scan", folder.to_str().unwrap(), "--customer", "anna"]);

    let rows = shop.report("orders");
    let of = |column: &str| rows.iter().map(|row| row[column].as_str()).collect::<Vec<_>>();
    assert_eq!(of("order"), ["17", "18", "19"]);
    assert_eq!(of("state"), ["missing", "complete", "given_up"]);
    assert_eq!(of("recovered"), ["1", "1", "0"]);
    assert_eq!(of("missing_records"), ["R-2", "", ""]);
    assert_eq!(of("due"), ["July; May", "June", ""]);
    let ben = shop.ok(["report", "orders", "--customer", "ben", "--format", "csv"]);
    assert_eq!(ben.lines().count(), 2, "{ben}");
}
