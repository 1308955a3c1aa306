//! Log lines as JSON: what the spans around a line are about stands in it as if the line itself had said it.

use std::fmt::{self, Debug};

use jiff::Timestamp;
use serde::{Serializer as _, ser::SerializeMap as _};
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormattedFields,
        format::{JsonFields, Writer},
    },
    registry::{LookupSpan, Scope},
};

/// One object a line: time, level and message, then the fields of the line and of all spans around it by name, then where in the code it comes
/// from. Each name stands once: the line itself counts most, and of spans the innermost. tracing-subscriber's own format has no such thing, and
/// calls a span's name `name`, as an object's is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flat;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Flat {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let formatted = extensions.get::<FormattedFields<JsonFields>>();
            if let Some(Ok(of_span)) = formatted.map(|formatted| serde_json::from_str::<Map<String, Value>>(formatted))
            {
                fields.0.extend(of_span);
            }
        }
        event.record(&mut fields);
        let line = line(event, fields.0).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

fn line(event: &Event<'_>, mut fields: Map<String, Value>) -> serde_json::Result<String> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::new(&mut bytes);
    let mut line = serializer.serialize_map(None)?;
    line.serialize_entry("timestamp", &format_args!("{:.6}", Timestamp::now()))?;
    line.serialize_entry("level", event.metadata().level().as_str())?;
    if let Some(message) = fields.remove("message") {
        line.serialize_entry("message", &message)?;
    }
    for (name, value) in &fields {
        line.serialize_entry(name, value)?;
    }
    line.serialize_entry("target", event.metadata().target())?;
    line.end()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a line says.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = fmt::layer().fmt_fields(JsonFields::new()).event_format(Flat).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), log);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_has_the_fields_of_all_spans_around_it_each_once() {
        let text = logged(|| {
            let outer = tracing::info_span!("reconcile", namespace = "ml", name = "a", uid = 7);
            let _in_outer = outer.enter();
            let inner = tracing::info_span!("aws", operation = "List", request_id = tracing::field::Empty);
            let _in_inner = inner.enter();
            inner.record("request_id", "id-1");
            tracing::warn!(seconds = 0.5, name = "b", is_it = true, "said \"so\"");
        });
        assert_eq!(text.lines().count(), 1);
        for member in ["timestamp", "level", "message", "name", "namespace", "uid", "operation", "request_id", "target"]
        {
            assert_eq!(text.matches(&format!("\"{member}\":")).count(), 1, "{member} in {text}");
        }
        assert!(text.starts_with("{\"timestamp\":\"20"), "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["message"], &line["name"]),
            (&"said \"so\"".into(), &"b".into()),
            "the line itself counts most"
        );
        assert_eq!((&line["seconds"], &line["is_it"], &line["uid"]), (&0.5.into(), &true.into(), &7.into()));
        assert_eq!((&line["operation"], &line["request_id"]), (&"List".into(), &"id-1".into()));
        assert_eq!((&line["level"], &line["target"]), (&"WARN".into(), &module_path!().into()));
        assert!(line["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok());
    }
}
