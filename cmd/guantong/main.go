// Command guantong is the server of a site, and its operator commands.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the linker.
var version = "dev"

const usage = `Guantong 贯通: emergency communications that go on when the network is gone.

  guantong serve  [-config FILE] [-data DIR]     run this site's server; the first start sets a trial site up
  guantong init   [-config FILE] [-data DIR]     set a site up for production: three separate administrators
  guantong config check [FILE]                   check a configuration; "guantong config show" prints the manual
  guantong status [-config FILE]                 what the running server is doing
  guantong token  [-config FILE] [-valid 1h]     a token by which one node joins the site: guantong serve -join TOKEN@HOST:7400
  guantong handover [-config FILE] [NODE]        give leadership to another node
  guantong node [-config FILE] drain|serve|remove NODE   take a node out of leading, back, or out of the site
  guantong backup [-config FILE] -to DIR [-key FILE]     back the running site up; run again it goes on, or brings DIR up to date
  guantong restore [-config FILE] -from DIR [-key FILE] [-check]   put a backup into an empty data directory, or only check it
  guantong recover [-config FILE] -force         quorum is lost for good: this node, stopped, goes on as the whole site
  guantong rejoin [-config FILE] -join TOKEN@HOST:7400   bring a stopped node of the site before a recovery back, with what only it has
  guantong state hash [-config FILE]             the last log entry that the running node's state holds, and the state's hash
  guantong audit verify [-config FILE]           check the audit chain (with the server stopped)
  guantong ca [-config FILE]                     the site's CA certificate, for browsers and telephones
  guantong version
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "guantong:", err)
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("see guantong help")

func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	name, rest := "serve", args
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		name, rest = args[0], args[1:]
	}
	switch name {
	case "serve":
		return serveCommand(ctx, rest, out, errOut)
	case "init":
		return initCommand(ctx, rest, out)
	case "config":
		return configCommand(rest, out)
	case "status":
		return statusCommand(ctx, rest, out)
	case "token", "handover", "node", "state":
		return nodeCommand(ctx, name, rest, out)
	case "backup":
		return backupCommand(ctx, rest, out)
	case "restore":
		return restoreCommand(ctx, rest, out)
	case "recover":
		return recoverCommand(ctx, rest, out)
	case "rejoin":
		return rejoinCommand(ctx, rest, out)
	case "audit":
		return auditCommand(ctx, rest, out)
	case "ca":
		return caCommand(rest, out)
	case "version":
		_, err := fmt.Fprintln(out, "guantong", version)
		return err
	case "help":
		_, err := fmt.Fprint(out, usage)
		return err
	}
	return fmt.Errorf("unknown command %q: %w", name, errUsage)
}

// options are what most commands take.
func options(name string, args []string, more ...func(*flag.FlagSet)) (c config, rest []string, err error) {
	fs := flag.NewFlagSet("guantong "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	path := fs.String("config", "", "configuration file")
	data := fs.String("data", "", "data directory")
	for _, add := range more {
		add(fs)
	}
	if err := fs.Parse(args); err != nil {
		return c, nil, fmt.Errorf("%s: %w: %w", name, err, errUsage)
	}
	if c, err = loadConfig(*path); err != nil {
		return c, nil, err
	}
	if *data != "" {
		c.Data = *data
	}
	return c, fs.Args(), nil
}

func configCommand(args []string, out io.Writer) error {
	if len(args) == 1 && args[0] == "show" {
		_, err := out.Write(manual)
		return err
	}
	if len(args) == 0 || args[0] != "check" || len(args) > 2 {
		return fmt.Errorf("config: %w", errUsage)
	}
	path := ""
	if len(args) == 2 {
		path = args[1]
	}
	if _, err := loadConfig(path); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "configuration is good")
	return err
}

func logger(w io.Writer, c logConfig) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fmt.Errorf("level %q: one of debug, info, warn, error", c.Level)
	}
	opt := &slog.HandlerOptions{Level: level}
	switch c.Format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opt)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opt)), nil
	}
	return nil, fmt.Errorf("format %q: text or json", c.Format)
}
