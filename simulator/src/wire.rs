//! REST-JSON: from an HTTP request to an operation with its members, and from its result to an HTTP answer.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    error::{ApiError, ErrorCode},
    model::{self, API},
    operation::Operation,
    request::Request,
    response::Response,
    switches::{MalformedRequest, Switches, UnknownMembers},
};

/// The header with the error code.
pub const ERROR_TYPE: &str = "x-amzn-errortype";
/// The header with the id of a call.
pub const REQUEST_ID: &str = "x-amzn-requestid";
/// The longest body that is read, in bytes: far above what any request needs.
pub const BODY_MAX: usize = 1 << 20;

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The error code, for the header.
    pub error: Option<String>,
    /// Seconds, for the header `Retry-After`.
    pub retry_after: Option<u32>,
    /// The body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// None: the output is an empty structure.
    Empty,
    /// A structure.
    Json(Value),
    /// Something that is no JSON.
    Malformed,
}

impl Body {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Malformed => br#"{"provisionedModelSummaries":[{"provisionedModelName""#.to_vec(),
        }
    }
}

impl From<&ApiError> for Answer {
    fn from(error: &ApiError) -> Self {
        let mut body = Map::new();
        body.insert("message".to_owned(), error.message.clone().into());
        if let Some(resource) = &error.resource_name {
            body.insert("resourceName".to_owned(), resource.clone().into());
        }
        Self {
            status: error.status(),
            error: Some(error.code.as_str().to_owned()),
            retry_after: None,
            body: Body::Json(Value::Object(body)),
        }
    }
}

impl From<&Response> for Answer {
    fn from(response: &Response) -> Self {
        Self {
            status: response.status(),
            error: None,
            retry_after: None,
            body: response.body().map_or(Body::Empty, Body::Json),
        }
    }
}

/// Which operation a method and a raw path are, and the members in the path, decoded once.
///
/// # Errors
/// `UnknownOperationException`, where it is none; `ValidationException` where the path is no UTF-8.
pub fn route(method: &str, path: &str) -> Result<(Operation, Map<String, Value>), ApiError> {
    let segments: Vec<&str> = path.split('/').collect();
    for operation in Operation::ALL {
        let Some(http) = API.operations.get(operation.as_str()).map(|found| &found.http) else { continue };
        if http.method != method {
            continue;
        }
        let template: Vec<&str> = http.request_uri.split('/').collect();
        if template.len() != segments.len() {
            continue;
        }
        let mut members = Map::new();
        let fits = template.iter().zip(&segments).all(|(expected, segment)| {
            match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => {
                    members.insert(name.to_owned(), (*segment).into());
                    !segment.is_empty()
                }
                None => expected == segment,
            }
        });
        if fits {
            for value in members.values_mut() {
                let decoded = value.as_str().map(decode).transpose()?;
                *value = decoded.map_or(Value::Null, Value::String);
            }
            return Ok((*operation, members));
        }
    }
    Err(ApiError::new(
        ErrorCode::UnknownOperationException,
        format!("No operation has the method and path {method} {path}."),
    ))
}

/// All members of a request: from the path, the query and the body.
///
/// # Errors
/// `SerializationException` or `ValidationException`, by the switch `malformedRequest`, where the query or body cannot be read.
pub fn parameters(
    operation: Operation,
    mut members: Map<String, Value>,
    query: Option<&str>,
    body: &[u8],
    switches: &Switches,
) -> Result<Value, ApiError> {
    let malformed = |message: String| ApiError::new(malformed_code(switches), message);
    let misplaced = |name: &str, place: &str| match switches.unknown_members {
        UnknownMembers::Ignored => Ok(()),
        UnknownMembers::Refused => Err(ApiError::validation(format!("The {place} has an unknown member: {name}"))),
    };
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        match place(operation, &name) {
            Some(Place::Query) | None => {
                let value = typed(operation, &name, value).map_err(malformed)?;
                members.insert(name, value);
            }
            Some(Place::Path | Place::Body) => misplaced(&name, "query")?,
        }
    }
    if !body.iter().all(u8::is_ascii_whitespace) {
        match serde_json::from_slice(body) {
            Ok(Value::Object(object)) => {
                for (name, value) in object {
                    match place(operation, &name) {
                        Some(Place::Body) | None => {
                            members.insert(name, value);
                        }
                        Some(Place::Path | Place::Query) => misplaced(&name, "body")?,
                    }
                }
            }
            Ok(_) => return Err(malformed("The body is no JSON object.".to_owned())),
            Err(error) => return Err(malformed(format!("The body can not be read: {error}"))),
        }
    }
    Ok(Value::Object(members))
}

/// The request that the members make.
///
/// # Errors
/// `SerializationException` or `ValidationException`, naming every member that does not fit.
pub fn request(operation: Operation, parameters: &Value, switches: &Switches) -> Result<Request, ApiError> {
    if let Err(violations) = model::check(operation, parameters) {
        return Err(violations.into_error_with(malformed_code(switches)));
    }
    let unknown = model::unknown_members(operation, parameters);
    if !unknown.is_empty() && switches.unknown_members == UnknownMembers::Refused {
        return Err(ApiError::validation(format!("The request has unknown members: {}", unknown.join(", "))));
    }
    let mut known = parameters.clone();
    if let Value::Object(members) = &mut known {
        members.retain(|name, value| !unknown.contains(name) && !value.is_null());
    }
    Request::from_parameters(operation, known)
}

pub(crate) fn malformed_code(switches: &Switches) -> ErrorCode {
    match switches.malformed_request {
        MalformedRequest::SerializationException => ErrorCode::SerializationException,
        MalformedRequest::ValidationException => ErrorCode::ValidationException,
    }
}

/// Where a member stands in a request.
enum Place {
    Path,
    Query,
    Body,
}

/// Where a member belongs; nothing where the operation has no such member.
fn place(operation: Operation, name: &str) -> Option<Place> {
    let member = API.input(operation)?.members.get(name)?;
    Some(match member.location.as_deref() {
        Some("uri") => Place::Path,
        Some("querystring") => Place::Query,
        Some(_) | None => Place::Body,
    })
}

/// A member of the query, by the type of its shape.
fn typed(operation: Operation, name: &str, value: String) -> Result<Value, String> {
    let shape =
        API.input(operation).and_then(|input| input.members.get(name)).and_then(|member| API.shapes.get(&member.shape));
    match shape.map(|shape| shape.kind.as_str()) {
        Some("integer") => value
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("Value '{value}' at '{name}' can not be converted to an Integer")),
        Some("boolean") => value
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| format!("Value '{value}' at '{name}' can not be converted to a Boolean")),
        _ => Ok(Value::String(value)),
    }
}

fn decode(text: &str) -> Result<String, ApiError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ApiError::validation(format!("{text} is no UTF-8 when decoded.")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ENCODED: &str = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprovisioned-model%2Fabcdefghijkl";
    const ARN: &str = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl";

    #[test]
    fn an_arn_in_the_path_is_one_segment_and_is_decoded_once() {
        let (operation, members) = route("PATCH", &format!("/provisioned-model-throughput/{ENCODED}")).unwrap();
        assert_eq!(operation, Operation::UpdateProvisionedModelThroughput);
        assert_eq!(members["provisionedModelId"], ARN);
        let (_, members) = route("GET", "/provisioned-model-throughput/a%252Fb").unwrap();
        assert_eq!(members["provisionedModelId"], "a%2Fb");
    }

    #[test]
    fn a_path_that_is_none_is_unknown() {
        for (method, path) in [
            ("GET", "/"),
            ("PUT", "/provisioned-model-throughputs"),
            ("GET", "/provisioned-model-throughput/"),
            ("PATCH", "/provisioned-model-throughput/a/b"),
        ] {
            assert_eq!(route(method, path).unwrap_err().code, ErrorCode::UnknownOperationException, "{method} {path}");
        }
    }

    #[test]
    fn members_of_the_query_have_the_types_of_their_shapes() {
        let list = Operation::ListProvisionedModelThroughputs;
        let query = "maxResults=10&statusEquals=InService&creationTimeAfter=2023-11-14T22%3A13%3A20Z";
        let members = parameters(list, Map::new(), Some(query), b"", &Switches::default()).unwrap();
        assert_eq!(
            members,
            json!({"maxResults": 10, "statusEquals": "InService", "creationTimeAfter": "2023-11-14T22:13:20Z"})
        );
        assert!(request(list, &members, &Switches::default()).is_ok());
        let broken = parameters(list, Map::new(), Some("maxResults=ten"), b"", &Switches::default());
        assert_eq!(broken.unwrap_err().code, ErrorCode::SerializationException);
    }

    #[test]
    fn a_member_counts_only_where_it_belongs() {
        let update = Operation::UpdateProvisionedModelThroughput;
        let path = Map::from_iter([("provisionedModelId".to_owned(), json!("a"))]);
        let read = |switches| {
            let body = br#"{"provisionedModelId": "b", "desiredModelId": "m"}"#;
            parameters(update, path.clone(), Some("desiredProvisionedModelName=n"), body, &switches)
        };
        assert_eq!(read(Switches::default()).unwrap(), json!({"provisionedModelId": "a", "desiredModelId": "m"}));
        let strict = Switches { unknown_members: UnknownMembers::Refused, ..Switches::default() };
        assert_eq!(read(strict).unwrap_err().code, ErrorCode::ValidationException);
    }

    /// A request that is nearly right: pieces of real ones, and anything between them.
    fn nearly(pieces: Vec<&'static str>) -> impl Strategy<Value = String> {
        let piece = prop_oneof![4 => prop::sample::select(pieces).prop_map(str::to_owned), 1 => ".{0,3}"];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn whatever_comes_in_is_a_request_or_an_error(
            operation in prop::sample::select(Operation::ALL),
            query in nearly(vec!["&", "=", "maxResults", "10", "statusEquals", "InService", "%3A", "%", "%FF", "nextToken", "modelUnits"]),
            body in nearly(vec!["{", "}", "\"", ":", ",", "[", "]", "null", "1e999", "-1", "provisionedModelName", "tags", "key", "modelUnits", "\\u0000"]),
            strict in any::<bool>(),
        ) {
            let unknown_members = if strict { UnknownMembers::Refused } else { UnknownMembers::Ignored };
            let switches = Switches { unknown_members, ..Switches::default() };
            let read = parameters(operation, Map::new(), Some(&query), body.as_bytes(), &switches)
                .and_then(|parameters| request(operation, &parameters, &switches));
            match read {
                Ok(request) => prop_assert_eq!(request.validate(), Ok(())),
                Err(error) => prop_assert!(
                    [ErrorCode::ValidationException, ErrorCode::SerializationException].contains(&error.code),
                    "{error}"
                ),
            }
        }

        #[test]
        fn whatever_path_is_asked_for_is_an_operation_or_an_error(
            method in prop::sample::select(vec!["GET", "POST", "PATCH", "DELETE"]),
            path in nearly(vec!["/", "provisioned-model-throughput", "s", "custom-models", "tagResource", "%2F", "%", "%C3", "a"]),
        ) {
            let path = format!("/{path}");
            match route(method, &path) {
                Ok((operation, _)) => prop_assert_eq!(API.operations[operation.as_str()].http.method.as_str(), method),
                Err(error) => prop_assert!(
                    [ErrorCode::UnknownOperationException, ErrorCode::ValidationException].contains(&error.code),
                    "{error}"
                ),
            }
        }
    }
}
