package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTheManualIsTheDefaultsAndIsGood(t *testing.T) {
	c, err := loadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if c.Site.Number != 1 || c.Disk.Reserve != 512<<20 || time.Duration(c.Retention.Messages) != 180*24*time.Hour {
		t.Errorf("%+v", c)
	}
}

// TestTheManualNamesEveryKey keeps the commented configuration whole: a key that can be set stands in it.
func TestTheManualNamesEveryKey(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal(manual, &tree); err != nil {
		t.Fatal(err)
	}
	named(t, reflect.TypeFor[config](), tree, "")
}

func named(t *testing.T, typ reflect.Type, tree map[string]any, path string) {
	t.Helper()
	for i := range typ.NumField() {
		f := typ.Field(i)
		key := f.Tag.Get("yaml")
		value, there := tree[key]
		if !there {
			t.Errorf("%s%s is not in guantong.yaml", path, key)
			continue
		}
		switch f.Type.Kind() {
		case reflect.Struct:
			sub, _ := value.(map[string]any)
			named(t, f.Type, sub, path+key+".")
		case reflect.Slice:
			inComments(t, f.Type.Elem(), path+key+".")
		}
	}
}

// inComments looks for the keys of a list's elements in the comments: lists are empty by default.
func inComments(t *testing.T, typ reflect.Type, path string) {
	t.Helper()
	if typ.Kind() != reflect.Struct {
		return
	}
	for i := range typ.NumField() {
		key := typ.Field(i).Tag.Get("yaml")
		if !bytes.Contains(manual, []byte(key+":")) {
			t.Errorf("%s%s is not explained in guantong.yaml", path, key)
		}
	}
}

func TestAWrongConfigurationIsNamedWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		"site:\n  nmae: x\n":                                  "line 2",
		"telephone:\n  rtp_low: 30001\n":                      "even port",
		"console:\n  listen: 8443\n":                          "console.listen",
		"console:\n  certificate: a.pem\n":                    "belong together",
		"site:\n  number: 1677\n":                             "site.number",
		"disk:\n  reserve: much\n":                            "line 2",
		"retention:\n  audit: 3 years\n":                      "line 2",
		"nodes:\n  files_rate: 10KB\n":                        "files_rate",
		"power:\n  ups: localhost\n":                          "power.ups",
		"profile: 0.0.0.0:6060\n":                             "loopback",
		"log:\n  level: loud\n":                               "level",
		"telephone:\n  trunks: [{name: a}]\n":                 "trunks[0]",
		"telephone:\n  classes: [{prefixes: [{trunk: x}]}]\n": "classes[0]",
		"data: [1]\n":                                         "line 1",
	} {
		err := configCommand([]string{"check", write(t, text)}, new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q named", text, err, want)
		}
	}
}

func TestConfigShowPrintsAConfigurationThatIsGood(t *testing.T) {
	var out bytes.Buffer
	if err := configCommand([]string{"show"}, &out); err != nil {
		t.Fatal(err)
	}
	if err := configCommand([]string{"check", write(t, out.String())}, new(bytes.Buffer)); err != nil {
		t.Error(err)
	}
}

func TestUnknownCommandsSaySo(t *testing.T) {
	if err := run(t.Context(), []string{"frobnicate"}, new(bytes.Buffer), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), "frobnicate") {
		t.Error(err)
	}
}
