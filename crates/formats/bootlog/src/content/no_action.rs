//! EV_NO_ACTION: statements about the log and the platform that extend nothing (PFP section 10.4.5).

use super::Text;
use super::image::counted;
use crate::Guid;
use crate::cursor::Cursor;

/// What an EV_NO_ACTION event says. Nothing here is covered by any PCR but what [`NoAction::StartupLocality`] does to
/// the start value of PCR 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoAction<'a> {
    /// `TCG_EfiSpecIdEvent`: the header of a crypto-agile log.
    SpecId(SpecId<'a>),
    /// The locality of TPM2_Startup.
    StartupLocality(u8),
    /// A component measured by a hardware core root of trust: its description and measurement.
    HcrtmComponent {
        /// Words about the component.
        description: &'a [u8],
        /// Its digest as the hardware gives it.
        measurement: &'a [u8],
    },
    /// Where the platform's reference manifest is.
    Sp800155(Sp800155<'a>),
    /// Statements of the Windows loader, see [`crate::sipa`].
    Windows(&'a [u8]),
    /// Anything else, by its 16-byte signature where it has one.
    Other(Option<Text<'a>>),
}

/// `TCG_EfiSpecIdEvent` (PFP section 10.4.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecId<'a> {
    /// 0 client, 1 server.
    pub platform_class: u32,
    /// Profile version: major, minor, errata.
    pub version: (u8, u8, u8),
    /// Bytes of a UINTN divided by four.
    pub uintn_size: u8,
    /// Free bytes of the vendor.
    pub vendor: &'a [u8],
}

/// `TCG_Sp800_155_PlatformId_Event` in its three versions (PFP section 10.4.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sp800155<'a> {
    /// 1, 2 or 3.
    pub version: u8,
    /// IANA enterprise number of the platform's maker.
    pub vendor_id: u32,
    /// Identifies the reference manifest.
    pub manifest: Guid,
    /// Version 2 on: manufacturer, model and version of the platform, maker and version of the firmware.
    pub strings: [&'a [u8]; 5],
    /// Version 3: `(type, locator)` of the manifest.
    pub manifest_locator: Option<(u32, &'a [u8])>,
    /// Version 3: `(type, locator)` of the platform certificate.
    pub certificate_locator: Option<(u32, &'a [u8])>,
}

impl<'a> NoAction<'a> {
    pub(crate) fn parse(data: &'a [u8]) -> Self {
        Self::known(data).unwrap_or_else(|| {
            if crate::sipa::is_list(data) {
                Self::Windows(data)
            } else {
                Self::Other(Text::of(data.get(..16).unwrap_or(data)))
            }
        })
    }

    fn known(data: &'a [u8]) -> Option<Self> {
        let (signature, body) = data.split_first_chunk::<16>()?;
        match signature {
            b"Spec ID Event03\0" => SpecId::parse(body).map(Self::SpecId),
            b"StartupLocality\0" => match body {
                [locality] => Some(Self::StartupLocality(*locality)),
                _ => None,
            },
            b"H-CRTM CompMeas\0" => {
                let (description, rest) = counted(body)?;
                let (_format, rest) = rest.split_first()?;
                let (measurement, []) = counted(rest)? else { return None };
                Some(Self::HcrtmComponent { description, measurement })
            }
            b"SP800-155 Event\0" => Sp800155::parse(1, body).map(Self::Sp800155),
            b"SP800-155 Event2" => Sp800155::parse(2, body).map(Self::Sp800155),
            b"SP800-155 Event3" => Sp800155::parse(3, body).map(Self::Sp800155),
            _ => None,
        }
    }
}

impl<'a> SpecId<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body, 0);
        let platform_class = cursor.u32("platform class").ok()?;
        let minor = cursor.u8("minor version").ok()?;
        let major = cursor.u8("major version").ok()?;
        let errata = cursor.u8("errata").ok()?;
        let uintn_size = cursor.u8("UINTN size").ok()?;
        let algorithms = cursor.length("number of algorithms").ok()?;
        cursor.take(algorithms.checked_mul(4)?, "algorithm sizes").ok()?;
        let (vendor, _) = counted(cursor.rest())?;
        Some(Self { platform_class, version: (major, minor, errata), uintn_size, vendor })
    }
}

impl<'a> Sp800155<'a> {
    fn parse(version: u8, body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body, 0);
        let vendor_id = cursor.u32("platform manufacturer").ok()?;
        let manifest = Guid(*cursor.take(16, "manifest GUID").ok()?.first_chunk()?);
        let mut event =
            Self { version, vendor_id, manifest, strings: [&[]; 5], manifest_locator: None, certificate_locator: None };
        if version >= 2 {
            for (position, string) in event.strings.iter_mut().enumerate() {
                let len = cursor.u8("string length").ok()?;
                *string = cursor.take(usize::from(len), "string").ok()?;
                // The number of the firmware's maker stands between the two strings about the firmware.
                if position == 3 {
                    cursor.u32("firmware manufacturer").ok()?;
                }
            }
        }
        if version >= 3 {
            event.manifest_locator = Some(locator(&mut cursor)?);
            event.certificate_locator = Some(locator(&mut cursor)?);
        }
        Some(event)
    }
}

fn locator<'a>(cursor: &mut Cursor<'a>) -> Option<(u32, &'a [u8])> {
    let kind = cursor.u32("locator type").ok()?;
    let len = cursor.length("locator length").ok()?;
    Some((kind, cursor.take(len, "locator").ok()?))
}
