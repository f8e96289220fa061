//! Maps in which a key stands once. JSON readers let the last of two win, and whoever reviewed the file saw the first.

use core::fmt;
use core::marker::PhantomData;
use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A map in which no key stands twice.
struct Unique<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Keys<T> {
            type Value = Unique<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut unique = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, T>()? {
                    if unique.contains_key(&key) {
                        return Err(A::Error::custom(format_args!("the key {key:?} stands twice; leave one out")));
                    }
                    unique.insert(key, value);
                }
                Ok(Unique(unique))
            }
        }
        deserializer.deserialize_map(Keys(PhantomData))
    }
}

/// The subjects of an intent file.
pub(super) fn subjects<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, BTreeMap<String, String>>, D::Error> {
    let subjects = Unique::<Unique<String>>::deserialize(deserializer)?;
    Ok(subjects.0.into_iter().map(|(name, values)| (name, values.0)).collect())
}
