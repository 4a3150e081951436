//! Templates that are refused, and the paths in the errors.

use assay::template::{LocalNames, Template};

const GOOD: &str = "
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: dev
      Auth:
        Authorizers:
          Tokens:
            FunctionArn: !GetAtt Caller.Arn
            Identity: { ReauthorizeEvery: 60 }
      MergeDefinitions: true
      DefinitionBody:
        paths:
          /a:
            options:
              responses: { \"204\": { headers: { X-A: {} } } }
              x-amazon-apigateway-integration:
                type: mock
                responses:
                  default:
                    statusCode: 204
                    responseParameters: { method.response.header.X-A: \"'c'\" }
      GatewayResponses:
        UNAUTHORIZED:
          StatusCode: 401
          ResponseParameters: { Headers: { X-A: \"'b'\" } }
  Caller:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: caller } }
    Properties:
      Timeout: 5
      Events:
        Get: { Type: Api, Properties: { RestApiId: !Ref Api, Method: get, Path: /a } }
      Policies:
        - Statement: { Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Notes.Arn }
  Notes:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
";

fn error_text(template: &str) -> String {
    let error = Template::parse(template, &LocalNames::default()).unwrap_err();
    error.to_string()
}

#[test]
fn the_unchanged_template_is_valid() {
    let template = Template::parse(GOOD, &LocalNames::default()).unwrap();
    let (function, route) = template.routes().next().unwrap();
    assert_eq!(
        (function.binary.as_str(), route.method.as_str()),
        ("caller", "GET")
    );
    assert_eq!(function.statements[0].actions, ["dynamodb:GetItem"]);
    assert_eq!(
        template.authorizer_of(route),
        None,
        "there is no default authorizer"
    );
}

#[test]
fn unsupported_settings_are_refused_with_their_path() {
    for (from, to, expected) in [
        (
            "StageName: dev",
            "Name: x",
            "Resources.Api.Properties.StageName: missing",
        ),
        (
            "StageName: dev",
            "StageName: dev\n      Cors: \"*\"",
            "Resources.Api.Properties.Cors: not supported",
        ),
        (
            "ReauthorizeEvery: 60",
            "ReauthorizeEvery: often",
            "ReauthorizeEvery: expected a whole number, zero or more, found \"often\"",
        ),
        (
            "ReauthorizeEvery: 60",
            "Headers: [a]",
            "Tokens.Identity.Headers: not supported",
        ),
        (
            "FunctionArn: !GetAtt",
            "FunctionPayloadType: REQUEST\n            FunctionArn: !GetAtt",
            "FunctionPayloadType: expected TOKEN",
        ),
        (
            "StatusCode: 401",
            "StatusCode: 7",
            "UNAUTHORIZED.StatusCode: expected an HTTP status",
        ),
        (
            "\"'b'\"",
            "method.request.header.X",
            "Headers.X-A: expected a fixed value in single quotes",
        ),
        (
            "MergeDefinitions: true",
            "MergeDefinitions: false",
            "MergeDefinitions: expected true",
        ),
        (
            "      MergeDefinitions: true\n",
            "",
            "Properties.MergeDefinitions: missing",
        ),
        (
            "            options:",
            "            get:",
            "/a.get: not supported",
        ),
        ("type: mock", "type: http", "type: expected mock"),
        (
            "headers: { X-A: {} }",
            "headers: { X-B: {} }",
            "expected a header that the responses of the method declare",
        ),
        (
            "statusCode: 204",
            "statusCode: 205",
            "responses.205: missing",
        ),
        (
            "method.response.header.X-A",
            "integration.response.header.X-A",
            "expected the name of a header of the response",
        ),
        ("\"'c'\"", "c", "expected a fixed value in single quotes"),
        (
            "Binary: caller",
            "Name: caller",
            "Resources.Caller.Metadata.BuildProperties.Binary: missing",
        ),
        ("Method: get, ", "", "Events.Get.Properties.Method: missing"),
        (
            "Path: /a",
            "Path: a",
            "Events.Get.Properties.Path: expected a path that starts with a slash",
        ),
        (
            "Path: /a",
            "Path: /a, RequestModel: { Model: M }",
            "Events.Get.Properties.RequestModel: not supported",
        ),
        (
            "Path: /a",
            "Path: /a, Auth: { ApiKeyRequired: true }",
            "Auth.ApiKeyRequired: not supported",
        ),
        (
            "Path: /a",
            "Path: /a, Auth: { Authorizer: Other }",
            "Events: Other is not defined",
        ),
        (
            "RestApiId: !Ref Api",
            "RestApiId: other",
            "Events: other is not defined",
        ),
        (
            "FunctionArn: !GetAtt Caller.Arn",
            "FunctionArn: arn:aws:lambda:x:y:function:Elsewhere",
            "Elsewhere is not defined",
        ),
        (
            "Timeout: 5",
            "Timeout: soon",
            "Timeout: expected a whole number",
        ),
        (
            "- Statement: { Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Notes.Arn }",
            "- DynamoDBCrudPolicy: { TableName: x }",
            "Policies[0].Statement: missing",
        ),
        (
            "KeyType: HASH",
            "KeyType: FIRST",
            "KeySchema[0]: expected HASH or RANGE",
        ),
        (
            "KeyType: HASH",
            "KeyType: RANGE",
            "KeySchema: expected an element with KeyType HASH",
        ),
        (
            "[{ AttributeName: id, KeyType",
            "[{ AttributeName: other, KeyType",
            "other has no type in AttributeDefinitions",
        ),
        (
            "AttributeType: S }]",
            "AttributeType: S }, { AttributeName: b, AttributeType: S }]",
            "no key uses the attribute b",
        ),
        (
            "      KeySchema:",
            "      LocalSecondaryIndexes: []\n      KeySchema:",
            "LocalSecondaryIndexes: not supported",
        ),
        (
            "  Notes:\n",
            "  Second: { Type: AWS::Serverless::Api, Properties: { StageName: x } }\n  Notes:\n",
            "a second API",
        ),
        (
            "    Type: AWS::Serverless::Api",
            "    Type: AWS::Other",
            "AWS::Serverless::Api: missing",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = error_text(&GOOD.replacen(from, to, 1));
        assert!(found.contains(expected), "{from} -> {to}: {found}");
    }
}

#[test]
fn a_file_that_is_not_a_template_is_an_error() {
    assert!(error_text("a: [").contains("not valid YAML"));
    assert!(error_text("Resources: [a]").contains("Resources: expected a mapping"));
    assert!(error_text("Resources: { X: {} }").contains("X\".Type: missing"));
    let missing = Template::read("/no/such/file".as_ref(), &LocalNames::default());
    assert!(missing.unwrap_err().to_string().contains("/no/such/file"));
}
