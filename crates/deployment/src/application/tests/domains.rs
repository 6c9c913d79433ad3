//! Tests of custom domains.

use serde_json::json;

use super::*;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of resources")]
fn domains_lead_to_stages_of_either_kind_of_api() {
    let mapping = |base_path: &str, extra: Value| {
        let mut properties = json!({"DomainName": "api.example.com", "BasePath": base_path, "RestApiId": "api1234567"});
        let members = properties.as_object_mut().unwrap();
        members.extend(extra.as_object().unwrap().clone());
        (
            "Mapping",
            "AWS::ApiGateway::BasePathMapping",
            "mapping",
            properties,
            json!({}),
        )
    };
    let rows = [
        rest_api(json!({})),
        deployment(),
        (
            "Web",
            "AWS::ApiGatewayV2::Api",
            "web1234567",
            json!({"Name": "web", "ProtocolType": "HTTP"}),
            json!({}),
        ),
        (
            "Stage",
            "AWS::ApiGatewayV2::Stage",
            "$default",
            json!({"ApiId": "web1234567", "StageName": "$default"}),
            json!({}),
        ),
        (
            "Domain",
            "AWS::ApiGateway::DomainName",
            "api.example.com",
            json!({"DomainName": "api.example.com"}),
            json!({}),
        ),
        mapping("v1", json!({"Stage": "dev"})),
        mapping("(none)", json!({})),
        mapping("v3", json!({"Stage": "prod"})),
        (
            "Other",
            "AWS::ApiGatewayV2::ApiMapping",
            "other",
            json!({"DomainName": "web.example.com", "ApiMappingKey": "a/b", "ApiId": "web1234567", "Stage": "$default"}),
            json!({}),
        ),
        (
            "Shut",
            "AWS::ApiGatewayV2::DomainName",
            "shut.example.com",
            json!({"DomainName": "shut.example.com", "MutualTlsAuthentication": {"TruststoreUri": "s3://x"}}),
            json!({}),
        ),
        (
            "Led",
            "AWS::ApiGatewayV2::ApiMapping",
            "led",
            json!({"DomainName": "shut.example.com", "ApiId": "web1234567", "Stage": "$default"}),
            json!({}),
        ),
    ];
    let (application, problems) = assemble(&rows);
    let shown: Vec<String> = application
        .domains
        .iter()
        .map(|domain| {
            let mappings = domain.mappings.iter();
            let mappings: Vec<String> = mappings
                .map(|one| format!("/{} -> {}/{}", one.base_path, one.api, one.stage))
                .collect();
            format!("{}: {}", domain.name, mappings.join(", "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "api.example.com: /v1 -> api1234567/dev, /dev -> api1234567/dev",
            "shut.example.com: ",
            "web.example.com: /a/b -> web1234567/$default",
        ]
    );
    let titles: Vec<&str> = problems.iter().map(|it| it.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "the domain `shut.example.com` is not served",
            "`Mapping` leads to no API"
        ]
    );
}
