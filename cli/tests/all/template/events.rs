//! Event sources, tables and gateway responses as typed data.

use assay::template::{
    EventSource, LocalNames, Projection, RouteAuthorizer, StreamSource, Template,
};
use std::time::Duration;

const TEMPLATE: &str = r#"
Globals:
  Function:
    Timeout: 7
    MemorySize: 512
    Handler: !ImportValue never-needed
    Environment: { Variables: { A: global, B: global } }
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      BinaryMediaTypes: [image~1png]
      Variables: { Colour: green }
      Auth:
        DefaultAuthorizer: Tokens
        Authorizers: { Tokens: { FunctionArn: !GetAtt Store.Arn } }
      GatewayResponses:
        DEFAULT_4XX: { ResponseTemplates: { application/json: "{}" } }
  Store:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: store }, Scope: manage }
    Properties:
      Timeout: 60
      Environment: { Variables: { B: own } }
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Notes.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 200
            MaximumBatchingWindowInSeconds: 2
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 10
            MaximumRecordAgeInSeconds: -1
            FunctionResponseTypes: [ReportBatchItemFailures]
            FilterCriteria: { Filters: [{ Pattern: '{"eventName":["INSERT"]}' }] }
            DestinationConfig: { OnFailure: { Destination: !GetAtt Dead.Arn } }
        Nightly: { Type: Schedule, Properties: { Schedule: rate(1 day) } }
        Route: { Type: Api, Properties: { RestApiId: !Ref Api, Method: any, Path: /x, Auth: { Authorizer: NONE } } }
  Dead: { Type: AWS::SQS::Queue }
  Notes:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions:
        - { AttributeName: id, AttributeType: S }
        - { AttributeName: at, AttributeType: N }
      KeySchema: [{ AttributeName: at, KeyType: RANGE }, { AttributeName: id, KeyType: HASH }]
      GlobalSecondaryIndexes:
        - { IndexName: keys, KeySchema: [{ AttributeName: at, KeyType: HASH }], Projection: { ProjectionType: KEYS_ONLY } }
        - { IndexName: some, KeySchema: [{ AttributeName: id, KeyType: HASH }], Projection: { ProjectionType: INCLUDE, NonKeyAttributes: [z, a] } }
      StreamSpecification: { StreamViewType: NEW_IMAGE }
      TimeToLiveSpecification: { AttributeName: gone, Enabled: false }
"#;

fn template() -> Template {
    Template::parse(TEMPLATE, &LocalNames::default()).unwrap()
}

#[test]
fn a_stream_source_has_all_settings_of_its_mapping() {
    let template = template();
    let stream = template.functions["Store"]
        .events
        .iter()
        .find_map(|event| match event {
            EventSource::Stream(stream) => Some(stream.clone()),
            _ => None,
        });
    let expected = StreamSource {
        stream_arn: "arn:aws:dynamodb:us-east-1:123456789012:table/Notes/stream/local".to_owned(),
        starting_position: "TRIM_HORIZON".to_owned(),
        batch_size: 200,
        batching_window: Duration::from_secs(2),
        parallelization_factor: 1,
        bisect_on_error: true,
        maximum_retries: Some(10),
        maximum_record_age: None,
        reports_item_failures: true,
        filters: vec![r#"{"eventName":["INSERT"]}"#.to_owned()],
        on_failure: Some("arn:aws:sqs:us-east-1:123456789012:Dead".to_owned()),
    };
    assert_eq!(stream, Some(expected));
    let other = EventSource::Other {
        kind: "Schedule".to_owned(),
    };
    assert!(template.functions["Store"].events.contains(&other));
}

#[test]
fn a_function_inherits_from_globals_and_can_replace_them() {
    let template = template();
    let function = template.function_of("store").unwrap();
    assert_eq!(function.timeout, Duration::from_secs(60));
    assert_eq!(function.memory_mb, 512);
    assert_eq!(function.scope.as_deref(), Some("manage"));
    let environment: Vec<_> = function.environment.iter().collect();
    assert_eq!(
        format!("{environment:?}"),
        r#"[("A", "global"), ("B", "own")]"#
    );
}

#[test]
fn a_route_has_an_upper_case_method_and_may_be_open() {
    let template = template();
    let (_, route) = template.routes().next().unwrap();
    assert_eq!((route.method.as_str(), route.path.as_str()), ("ANY", "/x"));
    assert_eq!(route.authorizer, RouteAuthorizer::Open);
    assert_eq!(template.authorizer_of(route), None);
}

#[test]
fn the_api_has_defaults_and_binary_types_with_a_slash() {
    let api = template().api;
    assert_eq!(api.binary_media_types, ["image/png"]);
    assert_eq!(api.stage_variables["Colour"], "green");
    let tokens = &api.authorizers["Tokens"];
    assert_eq!(
        (tokens.header.as_str(), tokens.ttl),
        ("Authorization", Duration::from_secs(300))
    );
    assert_eq!(api.gateway_responses["DEFAULT_4XX"].status, None);
}

#[test]
fn a_table_has_its_keys_in_any_order_and_its_indexes() {
    let table = template().tables["Notes"].clone();
    assert_eq!(table.key.hash.name, "id");
    assert_eq!(table.key.range.as_ref().unwrap().kind, "N");
    assert_eq!(
        table.index("keys").unwrap().projection,
        Projection::KeysOnly
    );
    let included = Projection::Include(vec!["a".to_owned(), "z".to_owned()]);
    assert_eq!(table.index("some").unwrap().projection, included);
    assert_eq!(table.stream.as_deref(), Some("NEW_IMAGE"));
    assert_eq!(table.ttl_attribute, None, "it is not enabled");
}
