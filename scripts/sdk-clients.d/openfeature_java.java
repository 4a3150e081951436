// dev.openfeature:sdk with dev.openfeature.contrib.providers:ofrep: one request for each evaluation.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.openfeature.contrib.providers.ofrep.OfrepProvider;
import dev.openfeature.contrib.providers.ofrep.OfrepProviderOptions;
import dev.openfeature.sdk.Client;
import dev.openfeature.sdk.ErrorCode;
import dev.openfeature.sdk.EvaluationContext;
import dev.openfeature.sdk.ImmutableContext;
import dev.openfeature.sdk.OpenFeatureAPI;
import dev.openfeature.sdk.Value;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;

class OpenFeatureJava {
    static final String URL = System.getenv("ASSAY_URL");
    static final String TOKEN = System.getenv("ASSAY_TOKEN");
    static final String CLIENT_KEY = System.getenv("ASSAY_CLIENT_KEY");
    static final ObjectMapper JSON = new ObjectMapper();
    static final HttpClient HTTP = HttpClient.newHttpClient();
    static JsonNode flags;
    static int checks = 0;

    static void must(String statement, Object found, Object expected) {
        if (!Objects.equals(found, expected)) {
            throw new AssertionError(statement + ": " + found + " instead of " + expected);
        }
        checks += 1;
    }

    static Client clientWith(String token) throws Exception {
        var headers = ImmutableMap.of("Authorization", ImmutableList.of("Bearer " + token));
        var options = OfrepProviderOptions.builder().baseUrl(URL).headers(headers).build();
        OpenFeatureAPI.getInstance().setProviderAndWait(OfrepProvider.constructProvider(options));
        return OpenFeatureAPI.getInstance().getClient();
    }

    static EvaluationContext user(String targetingKey, Map<String, Value> attributes) {
        return new ImmutableContext(targetingKey, attributes);
    }

    static JsonNode api(String method, String path, String body) throws Exception {
        var publisher = body == null ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body);
        var request = HttpRequest.newBuilder(URI.create(URL + path)).method(method, publisher)
                .header("Authorization", "Bearer " + TOKEN).header("Content-Type", "application/json").build();
        var response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        must(path + ": " + response.body(), response.statusCode(), 200);
        return JSON.readTree(response.body());
    }

    static JsonNode valueOf(String key, String variant) {
        for (JsonNode flag : flags) {
            for (JsonNode each : flag.get("variants")) {
                if (flag.get("key").asText().equals(key) && each.get("key").asText().equals(variant)) {
                    return each.get("value");
                }
            }
        }
        throw new AssertionError("no variant " + variant + " of " + key);
    }

    public static void main(String[] arguments) {
        try {
            test();
            System.out.println("ok openfeature_java: " + checks + " checks");
            // The provider's threads would keep the process alive.
            System.exit(0);
        } catch (Throwable failure) {
            failure.printStackTrace();
            System.exit(1);
        }
    }

    static void test() throws Exception {
        flags = JSON.readTree(Path.of("definitions.json").toFile()).get("flags");
        var ann = user("java-ann", Map.of());
        // A server has a token with the scope `assign`, or a client key.
        for (String credential : List.of(TOKEN, CLIENT_KEY)) {
            var client = clientWith(credential);
            must("a boolean", client.getBooleanValue("sdk-boolean", false, ann), true);
            must("a text", client.getStringValue("sdk-string", "x", ann), valueOf("sdk-string", "text").asText());
            must("a whole number", client.getIntegerValue("sdk-integer", -1, ann), 42);
            must("a number", client.getDoubleValue("sdk-number", -1.0, ann), 0.25);
            must("a number without a fraction", client.getDoubleValue("sdk-whole", -1.0, ann), 1.0);
            var object = client.getObjectValue("sdk-object", new Value(), ann).asStructure().asObjectMap();
            must("the text of an object", object.get("theme"), "dark");
            must("its list", object.get("tags").toString(), "[a, null, true]");
            must("its depth", object.get("deep").toString(), "{a={b=[]}}");
        }
        var client = clientWith(CLIENT_KEY);
        var large = client.getIntegerDetails("sdk-large", -1, ann);
        must("a number that is no int is refused", large.getErrorCode(), ErrorCode.TYPE_MISMATCH);
        must("and has the default", large.getValue(), -1);
        must("another type is refused", client.getStringDetails("sdk-boolean", "x", ann).getErrorCode(), ErrorCode.TYPE_MISMATCH);
        var disabled = client.getStringDetails("sdk-disabled", "x", ann);
        must("a disabled flag has the off variant", List.of(disabled.getValue(), disabled.getReason()), List.of("off", "DISABLED"));
        var unknown = client.getStringDetails("sdk-unknown", "x", ann);
        must("an unknown flag has the default", List.of(unknown.getValue(), unknown.getErrorCode()), List.of("x", ErrorCode.FLAG_NOT_FOUND));

        for (var each : List.of(List.of("free", 30, "basic"), List.of("pro", 30, "extended"), List.of("pro", 17, "basic"))) {
            var context = user("java-ann", Map.of("plan", new Value((String) each.get(0)), "age", new Value((Integer) each.get(1))));
            must("the rule decides for " + each, client.getStringValue("sdk-targeted", "x", context), each.get(2));
        }
        int on = 0, green = 0, users = 40;
        for (int number = 0; number < users; number++) {
            var id = "java-" + List.of("ann", "zoé", "日本", "😀").get(number % 4) + "-" + number;
            var rollout = client.getBooleanValue("sdk-rollout", false, user(id, Map.of()));
            var attributes = JSON.writeValueAsString(Map.of("attributes", Map.of("id", id)));
            var explained = api("POST", "/flags/sdk-rollout/evaluate", attributes).get("variant").asText();
            must(id + " has the rollout of the API", rollout, explained.equals("on"));
            var tested = client.getStringValue("sdk-tested", "x", user(id, Map.of()));
            var path = "/experiments/sdk-test/assignment/" + URLEncoder.encode(id, StandardCharsets.UTF_8) + "?enroll=false";
            var assigned = api("GET", path, null);
            must("the experiment has stored " + id, assigned.get("reason").asText(), "existing");
            must(id + " has the variant of the API", tested, valueOf("sdk-tested", assigned.get("variant").asText()).asText());
            on += rollout ? 1 : 0;
            green += tested.equals("green") ? 1 : 0;
        }
        must("some users have the rollout and others do not", on > 0 && on < users, true);
        must("some users have the variant and others do not", green > 0 && green < users, true);

        var missing = client.getStringDetails("sdk-tested", "x", new ImmutableContext());
        // This provider reports every 400 as an invalid context.
        must("without a user, an experiment has the default", List.of(missing.getValue(), missing.getErrorCode()), List.of("x", ErrorCode.INVALID_CONTEXT));
        for (String wrong : List.of("ck_AAAAAAAAAAAAAAAAAAAAAA", "nonsense")) {
            var details = clientWith(wrong).getBooleanDetails("sdk-boolean", false, ann);
            must("a wrong key gets defaults", List.of(details.getValue(), details.getReason()), List.of(false, "ERROR"));
            must("with an error", details.getErrorCode(), ErrorCode.GENERAL);
        }
    }
}
