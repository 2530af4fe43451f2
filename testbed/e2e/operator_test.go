package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// operate runs a command of the operator.
func operate(t *testing.T, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestAMisspeltKeyIsNamedWithItsLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "guantong.yaml")
	if err := os.WriteFile(path, []byte("data: ./data\nsite:\n  number: 1\n  nmae: 站\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config", "check", path}, {"serve", "-config", path, "-data", t.TempDir()}, {"init", "-config", path, "-data", t.TempDir()}} {
		said, code := operate(t, args...)
		if code == 0 || !strings.Contains(said, "line 4") || !strings.Contains(said, "nmae") {
			t.Errorf("%v: status %d: %s", args, code, said)
		}
	}
	manual, code := operate(t, "config", "show")
	if code != 0 {
		t.Fatal(manual)
	}
	if err := os.WriteFile(path, []byte(manual), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, code := operate(t, "config", "check", path); code != 0 {
		t.Errorf("the manual is no good configuration: %s", said)
	}
	if said, code := operate(t, "serve", "-colour"); code != 2 {
		t.Errorf("an unknown flag: status %d: %s", code, said)
	}
}

func TestOneServerForOneDataDirectory(t *testing.T) {
	b := server(t)
	said, code := operate(t, "serve", "-config", b.configPath())
	if code == 0 || !strings.Contains(said, b.Data()) {
		t.Errorf("a second server: status %d: %s", code, said)
	}
	said, code = operate(t, "audit", "verify", "-config", b.configPath())
	if code == 0 {
		t.Errorf("audit verify beside a running server: %s", said)
	}
	said, code = operate(t, "status", "-config", b.configPath())
	var st map[string]any
	if err := json.Unmarshal([]byte(said), &st); err != nil || code != 0 {
		t.Errorf("status: %d, %v: %s", code, err, said)
	}
	said, code = operate(t, "ca", "-config", b.configPath())
	if code != 0 || !strings.HasPrefix(said, "-----BEGIN CERTIFICATE-----") {
		t.Errorf("ca: %d: %s", code, said)
	}
	said, code = operate(t, "status", "-data", t.TempDir())
	if code == 0 || !strings.Contains(said, "no server runs") {
		t.Errorf("status without a server: %d: %s", code, said)
	}
}

func TestInitMakesThreeAdministratorsOnce(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	said, code := operate(t, "init", "-data", data)
	if code != 0 || strings.Contains(said, "telephone ") {
		t.Fatalf("status %d: %s", code, said)
	}
	for _, who := range []string{"sysadmin", "secadmin", "auditadmin"} {
		if strings.Count(said, who+" ") != 1 {
			t.Errorf("%s: %s", who, said)
		}
	}
	again, code := operate(t, "init", "-data", data)
	if code == 0 || !strings.Contains(again, "already") || strings.Contains(again, "password") {
		t.Errorf("a second init: status %d: %s", code, again)
	}
	said, code = operate(t, "audit", "verify", "-data", data)
	if code != 0 || !strings.Contains(said, "whole") {
		t.Errorf("audit verify: status %d: %s", code, said)
	}
	said, code = operate(t, "audit", "verify", "-data", t.TempDir())
	if code == 0 || !strings.Contains(said, "no site") {
		t.Errorf("audit verify of nothing: status %d: %s", code, said)
	}
}
