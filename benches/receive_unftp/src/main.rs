//! libunftp with its file storage as their READMEs show them: anonymous, TLS offered with the given certificate.
//!
//!     receive-unftp ADDRESS FOLDER CERTIFICATE KEY

use libunftp::ServerBuilder;
use unftp_sbe_fs::Filesystem;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [_, address, folder, certificate, key] = <[String; 5]>::try_from(std::env::args().collect::<Vec<_>>())
        .map_err(|_| "usage: receive-unftp ADDRESS FOLDER CERTIFICATE KEY")?;
    let storage = move || Filesystem::new(folder.clone()).expect("the folder is there");
    let server = ServerBuilder::new(Box::new(storage)).ftps(certificate, key).passive_ports(50_000..=65_535).build()?;
    server.listen(address).await?;
    Ok(())
}
