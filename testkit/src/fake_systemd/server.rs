//! The D-Bus side: zbus's own connection answers, so that both ends of the wire are not of one hand.

use std::os::unix::net::UnixStream;

use futures_util::StreamExt;
use zbus::message::{Header, Type};
use zbus::{Connection, Guid, Message, MessageStream, ObjectPath, connection};

use super::{FakeSystemd, Fault, signals};

const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// What is answered.
enum Answer {
    Value(zbus::OwnedVariant),
    Units(Vec<Listed>),
    Processes(Vec<(String, u32, String)>),
    Path(String),
    Subscribed,
    Refused(&'static str),
    Silence,
    Close,
}

type Path = zbus::OwnedObjectPath;
type Listed = (String, String, String, String, String, String, Path, u32, String, Path);

pub(super) fn serve(systemd: FakeSystemd) -> std::io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let answering = move || {
        // The other end is gone, or a test closed it: there is nobody to tell.
        let _ = zbus::block_on(answer_all(systemd, ours));
    };
    std::thread::Builder::new().name("fake-systemd".into()).spawn(answering)?;
    Ok(theirs)
}

async fn answer_all(systemd: FakeSystemd, stream: UnixStream) -> zbus::Result<()> {
    let builder = connection::Builder::unix_stream(stream).server(Guid::generate()).p2p();
    let connection = builder.build().await?;
    let mut messages = MessageStream::from(&connection);
    while let Some(message) = messages.next().await {
        let message = message?;
        if message.message_type() != Type::MethodCall {
            continue;
        }
        let header = message.header();
        let answer = answer(&systemd, &message, &header);
        if matches!(answer, Answer::Close) {
            break;
        }
        if matches!(answer, Answer::Subscribed) {
            signals::subscribe(&systemd, connection.clone())?;
        }
        reply(&connection, &header, answer).await?;
    }
    Ok(())
}

async fn reply(connection: &Connection, header: &Header<'_>, answer: Answer) -> zbus::Result<()> {
    match answer {
        Answer::Value(value) => connection.reply(header, &value).await,
        Answer::Units(units) => connection.reply(header, &units).await,
        Answer::Processes(processes) => connection.reply(header, &processes).await,
        Answer::Path(path) => connection.reply(header, &ObjectPath::try_from(path)?).await,
        Answer::Subscribed => connection.reply(header, &()).await,
        Answer::Refused(name) => connection.reply_error(header, name, &"refused").await,
        Answer::Silence | Answer::Close => Ok(()),
    }
}

fn answer(systemd: &FakeSystemd, message: &Message, header: &Header<'_>) -> Answer {
    let mut model = systemd.lock();
    model.calls += 1;
    model.bytes += message.data().len() as u64;
    match model.fault {
        Fault::None => {}
        Fault::Hang => return Answer::Silence,
        Fault::Close => return Answer::Close,
        Fault::Lie => return Answer::Path("/a/lie".into()),
    }
    let interface = header.interface().map(ToString::to_string).unwrap_or_default();
    let member = header.member().map(ToString::to_string).unwrap_or_default();
    drop(model);
    match (interface.as_str(), member.as_str()) {
        (PROPERTIES, "Get") => get(systemd, message, header),
        (MANAGER, "ListUnits") => list(systemd),
        (MANAGER, "Subscribe") => Answer::Subscribed,
        (MANAGER, "LoadUnit") => load(systemd, message),
        (MANAGER, "GetUnitProcesses") => processes(systemd, message),
        _ => {
            systemd.lock().asked.insert((interface, member));
            Answer::Refused("org.freedesktop.DBus.Error.UnknownMethod")
        }
    }
}

fn get(systemd: &FakeSystemd, message: &Message, header: &Header<'_>) -> Answer {
    let body = message.body();
    let Ok((interface, name)) = body.deserialize::<(&str, &str)>() else {
        return Answer::Refused("org.freedesktop.DBus.Error.InvalidArgs");
    };
    let path = header.path().map(ToString::to_string).unwrap_or_default();
    let mut model = systemd.lock();
    model.asked.insert((interface.into(), name.into()));
    if interface == MANAGER {
        return match name {
            "Version" => Answer::Value(zbus::Str::from(model.version.clone()).into()),
            "Tainted" => Answer::Value(zbus::Str::from("").into()),
            _ => Answer::Refused("org.freedesktop.DBus.Error.UnknownProperty"),
        };
    }
    let Some(unit) = model.unit_at(&path).map(|unit| unit.name.clone()) else {
        return Answer::Refused("org.freedesktop.DBus.Error.UnknownObject");
    };
    if let Some(mut hook) = model.before_property.take() {
        hook(&mut model, &unit, name);
        model.before_property = model.before_property.take().or(Some(hook));
    }
    let Some(unit) = model.units.get(&unit) else {
        return Answer::Refused("org.freedesktop.DBus.Error.UnknownObject");
    };
    match model.property(unit, interface, name) {
        Some(value) => Answer::Value(value),
        None => Answer::Refused("org.freedesktop.DBus.Error.UnknownProperty"),
    }
}

fn list(systemd: &FakeSystemd) -> Answer {
    let model = systemd.lock();
    let line = |unit: &super::FakeUnit| {
        let path = Path::try_from(unit.path()).ok()?;
        let none = Path::try_from("/").ok()?;
        let (name, load) = (unit.name.clone(), "loaded".to_owned());
        let (active, sub) = (unit.active_state.clone(), unit.sub_state.clone());
        Some((name, "a description".into(), load, active, sub, String::new(), path, 0, String::new(), none))
    };
    let listed = model.units.values().filter(|unit| !model.hidden.contains(&unit.name));
    Answer::Units(listed.filter_map(line).collect())
}

fn load(systemd: &FakeSystemd, message: &Message) -> Answer {
    let body = message.body();
    let Ok(name) = body.deserialize::<&str>() else {
        return Answer::Refused("org.freedesktop.DBus.Error.InvalidArgs");
    };
    if !name.contains('.') {
        return Answer::Refused("org.freedesktop.DBus.Error.InvalidArgs");
    }
    let unit = super::FakeUnit { name: name.to_owned(), ..super::FakeUnit::default() };
    let _ = systemd;
    Answer::Path(unit.path())
}

fn processes(systemd: &FakeSystemd, message: &Message) -> Answer {
    let body = message.body();
    let model = systemd.lock();
    let Some(unit) = body.deserialize::<&str>().ok().and_then(|name| model.units.get(name)) else {
        return Answer::Refused("org.freedesktop.systemd1.NoSuchUnit");
    };
    if unit.recorded.is_some() {
        return Answer::Refused("org.freedesktop.DBus.Error.NotSupported");
    }
    if unit.control_group.is_empty() {
        return Answer::Processes(Vec::new());
    }
    let line = |process: &super::FakeProcess| (process.cgroup.clone(), process.pid, process.config.exec.join(" "));
    Answer::Processes(model.members(&unit.control_group).map(line).collect())
}
