//! The versions of the demo app, and the packages (zips) by which it is deployed in one of them.

use super::names;

/// The environment variable by which the platform starts the app in a version.
pub const VARIABLE: &str = "PGENTRA_SANDBOX_APP_VERSION";
/// The file in a package that names the version.
const FILE: &str = "demo-app.toml";
/// The signatures of a zip's parts: a file, its entry in the directory, the end of the directory.
const SIGNATURES: [u32; 3] = [0x0403_4b50, 0x0201_4b50, 0x0605_4b50];

/// What the demo app can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Sign in by password or with its identity, as its settings say.
    #[default]
    Both,
    /// Sign in by password, whatever its settings say.
    PasswordOnly,
}

impl Version {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::PasswordOnly => "password-only",
        }
    }

    /// The version of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Both, Self::PasswordOnly].into_iter().find(|version| version.name() == name)
    }

    /// The package that deploys it; the same bytes each time.
    pub fn package(self) -> Vec<u8> {
        let text = format!(
            "# The demo app of the pgentra sandbox.\napp = \"{}\"\nversion = \"{}\"\n",
            names::APP,
            self.name()
        );
        stored(FILE, text.as_bytes())
    }

    /// The version that a package deploys; `None` when it is no package of the demo app. Only files that are stored
    /// uncompressed are read, as [`Version::package`] writes them.
    pub fn of_package(zip: &[u8]) -> Option<Self> {
        let text = file(zip, FILE)?;
        let value: toml::Table = std::str::from_utf8(text).ok()?.parse().ok()?;
        Self::named(value.get("version")?.as_str()?)
    }
}

/// A zip of one file, not compressed, without a time (APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16).
fn stored(name: &str, content: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let name_length = u16::try_from(name.len()).unwrap_or(u16::MAX);
    // Version needed, flags, method; midnight of 1 January 1980; checksum, sizes, length of the name, no extra field.
    let mut common = Vec::new();
    common.extend([20_u16, 0, 0, 0, 0x21].into_iter().flat_map(u16::to_le_bytes));
    common.extend([crc32(content), length(content), length(content)].into_iter().flat_map(u32::to_le_bytes));
    common.extend([name_length, 0].into_iter().flat_map(u16::to_le_bytes));
    let mut zip = SIGNATURES[0].to_le_bytes().to_vec();
    zip.extend(&common);
    zip.extend(name.as_bytes());
    zip.extend(content);
    let directory = length(&zip);
    zip.extend(SIGNATURES[1].to_le_bytes());
    zip.extend(20_u16.to_le_bytes());
    zip.extend(&common);
    // No comment, first disk, no attributes, at the start of the zip.
    zip.extend([0_u8; 14]);
    zip.extend(name.as_bytes());
    let size = length(&zip) - directory;
    zip.extend(SIGNATURES[2].to_le_bytes());
    zip.extend([0_u16, 0, 1, 1].into_iter().flat_map(u16::to_le_bytes));
    zip.extend([size, directory].into_iter().flat_map(u32::to_le_bytes));
    zip.extend(0_u16.to_le_bytes());
    zip
}

/// The content of a stored file at the start of a zip or after other stored files.
fn file<'a>(zip: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = zip;
    while rest.get(..4)? == SIGNATURES[0].to_le_bytes() {
        let short = |at: usize| Some(usize::from(u16::from_le_bytes(rest.get(at..at + 2)?.try_into().ok()?)));
        let size = usize::try_from(u32::from_le_bytes(rest.get(18..22)?.try_into().ok()?)).ok()?;
        let (method, name, extra) = (short(8)?, short(26)?, short(28)?);
        let start = 30 + name + extra;
        let content = rest.get(start..start.checked_add(size)?)?;
        if rest.get(30..30 + name)? == wanted.as_bytes() {
            return (method == 0).then_some(content);
        }
        rest = rest.get(start + size..)?;
    }
    None
}

/// The checksum of a zip's files.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::{Version, crc32};

    #[test]
    fn a_package_says_its_version() {
        for version in [Version::Both, Version::PasswordOnly] {
            let package = version.package();
            assert_eq!(Version::of_package(&package), Some(version));
            assert_eq!(package, version.package());
            for cut in 0..package.len() {
                // Cut anywhere it is no package or, from the directory on, still the same; never a panic.
                assert!(Version::of_package(&package[..cut]).is_none_or(|read| read == version));
            }
        }
        assert_eq!(Version::of_package(b"PK\x03\x04"), None);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
