// github.com/growthbook/growthbook-golang: it evaluates flags by itself.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"time"

	growthbook "github.com/growthbook/growthbook-golang"
)

var (
	apiURL = os.Getenv("ASSAY_URL")
	checks = 0
	quiet  = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))
)

func fail(statement string, why any) {
	fmt.Fprintln(os.Stderr, statement+":", why)
	os.Exit(1)
}

func must(statement string, found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		fail(statement, fmt.Sprintf("%#v instead of %#v", found, expected))
	}
	checks++
}

// api calls the API and gives the answer.
func api(method, path string, body any) map[string]any {
	sent, _ := json.Marshal(body)
	request, err := http.NewRequest(method, apiURL+path, bytes.NewReader(sent))
	if err != nil {
		fail(path, err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("ASSAY_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fail(path, err)
	}
	defer response.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		fail(path, fmt.Sprint(response.StatusCode, answer, err))
	}
	return answer
}

// started is a client with the features of a key.
func started(key string) (*growthbook.Client, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client, err := growthbook.NewClient(ctx,
		growthbook.WithApiHost(apiURL), growthbook.WithClientKey(key), growthbook.WithLogger(quiet))
	if err != nil {
		fail("the client starts", err)
	}
	return client, client.RefreshFeatures(ctx)
}

func value(client *growthbook.Client, key string, attributes growthbook.Attributes) any {
	user, err := client.WithAttributes(attributes)
	if err != nil {
		fail(key, err)
	}
	return user.EvalFeature(context.Background(), key).Value
}

func main() {
	var definitions struct {
		Flags []struct {
			Key      string
			Variants []struct {
				Key   string
				Value any
			}
			Environments map[string]struct {
				DefaultVariant string `json:"default_variant"`
			}
		}
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = json.Unmarshal(text, &definitions)
	}
	if err != nil {
		fail("the definitions are read", err)
	}
	values := map[string]map[string]any{}
	usual := map[string]any{}
	for _, flag := range definitions.Flags {
		values[flag.Key] = map[string]any{}
		for _, variant := range flag.Variants {
			values[flag.Key][variant.Key] = variant.Value
		}
		usual[flag.Key] = values[flag.Key][flag.Environments["production"].DefaultVariant]
	}

	client, err := started(os.Getenv("ASSAY_CLIENT_KEY"))
	must("the features are loaded", err, nil)
	ann := growthbook.Attributes{"id": "go-ann"}
	for _, key := range []string{"sdk-boolean", "sdk-string", "sdk-integer", "sdk-large", "sdk-number", "sdk-whole", "sdk-object"} {
		must(key+" has its value", value(client, key, ann), usual[key])
	}
	must("a disabled flag has the off variant", value(client, "sdk-disabled", ann), "off")
	must("an unknown flag has no value", value(client, "sdk-unknown", ann), nil)
	for _, each := range []struct {
		plan, expected string
		age            int
	}{{"free", "basic", 30}, {"pro", "extended", 30}, {"pro", "basic", 17}, {"team", "extended", 18}} {
		attributes := growthbook.Attributes{"id": "go-ann", "plan": each.plan, "age": each.age}
		must("the rule decides for "+each.plan, value(client, "sdk-targeted", attributes), each.expected)
	}

	found := map[any]int{}
	for number := range 40 {
		id := fmt.Sprintf("go-%s-%d", []string{"ann", "zoé", "日本", "😀"}[number%4], number)
		attributes := growthbook.Attributes{"id": id}
		rollout := value(client, "sdk-rollout", attributes)
		explained := api("POST", "/flags/sdk-rollout/evaluate", map[string]any{"attributes": attributes})["variant"].(string)
		must(id+" has the rollout of the API", rollout, values["sdk-rollout"][explained])
		tested := value(client, "sdk-tested", attributes)
		assigned := api("GET", "/experiments/sdk-test/assignment/"+url.PathEscape(id)+"?enroll=false", nil)
		must("nothing is stored of "+id, assigned["reason"], "split")
		must(id+" has the variant of the API", tested, values["sdk-tested"][assigned["variant"].(string)])
		found[rollout]++
		found[tested]++
	}
	must("users have different values", len(found), 4)

	for _, wrong := range []string{"ck_AAAAAAAAAAAAAAAAAAAAAA", "nonsense"} {
		refused, err := started(wrong)
		must("a wrong key is reported", err != nil, true)
		must("a wrong key has no values", value(refused, "sdk-boolean", ann), nil)
	}
	fmt.Printf("ok growthbook_go: %d checks\n", checks)
}
