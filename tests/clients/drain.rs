//! How a server ends that is asked to while people upload.

use std::io::Write as _;

use crate::matrix::control::Control;
use crate::support::Shop;

static HALF: [u8; 2_000_000] = [7; 2_000_000];

/// The first signal lets the running transfer end and sends everybody else away; the second ends at once. Either way nothing
/// is lost that was acknowledged, and what was not can be resumed.
#[test]
fn a_stop_waits_for_transfers_and_a_second_one_does_not() {
    for at_once in [false, true] {
        let shop = Shop::new();
        shop.ok(["init"]);
        shop.customer("anna", "a secret");
        let mut server = shop.serve();
        let sign_in = |address: &str| Control::sign_in(address, "anna", "a secret");
        let (mut sending, mut waiting) = (sign_in(&server.ftp), sign_in(&server.ftp));
        sending.store("before", b"acknowledged");
        let mut data = sending.begin("during", &HALF);
        server.ask_to_end();
        waiting.reply("421");
        if at_once {
            server.ask_to_end();
            assert!(!server.wait().success(), "{}", server.said());
        } else {
            data.write_all(&HALF).unwrap();
            drop(data);
            sending.reply("226");
            assert!(server.wait().success(), "{}", server.said());
        }
        let server = shop.serve();
        let mut again = sign_in(&server.ftp);
        assert_eq!(again.fetch("before"), b"acknowledged");
        let told = again.say("213", "SIZE during");
        let length: usize = told.trim().trim_start_matches("213 ").parse().unwrap();
        // What had been read and not yet written when it ended at once was never acknowledged.
        assert!(if at_once { (1..=HALF.len()).contains(&length) } else { length == 2 * HALF.len() }, "{told}");
        again.say(if at_once { "450" } else { "213" }, "HASH during");
        server.stop();
    }
}
