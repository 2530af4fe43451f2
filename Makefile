# Guantong 贯通. Two commands do everything: make run, make test.
GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X main.version=$(VERSION)
CONSOLE := clients/console
BUILT   := $(CONSOLE)/dist/index.html

# What the tests need besides Go, Node and npm, by its Debian name.
DEBIAN := chromium baresip sox sip-tester ffmpeg opus-tools espeak-ng tshark python3-cbor2 nut-server libnss3-tools fonts-noto-cjk

# The linter, by its exact version.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: run build console test test-go test-console lint fuzz deps cross clean

# run builds the console and the server and starts one node with everything embedded in ./data.
run: build
	./bin/guantong serve

build: $(BUILT)
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

console: $(BUILT)

$(BUILT): $(CONSOLE)/package-lock.json $(shell find $(CONSOLE)/src $(CONSOLE)/public $(CONSOLE)/index.html -type f 2>/dev/null)
	cd $(CONSOLE) && npm ci --no-audit --no-fund --silent && npm run build
	@touch $(BUILT)

# test installs what is missing and runs everything.
test: deps build lint test-console test-go cross

deps:
	@.ci/deps $(DEBIAN)

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo 'not gofmt-clean:'; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

test-console: $(BUILT)
	cd $(CONSOLE) && npm test

test-go:
	$(GO) test -race -timeout 12m ./...

# cross proves that the binaries build without cgo for the machines they go to.
cross:
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./cmd/guantong
	CGO_ENABLED=0 GOOS=linux GOARCH=amd64 $(GO) build ./...

# fuzz gives every fuzz target FUZZTIME.
FUZZTIME ?= 10s
fuzz:
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; \
	done

clean:
	rm -rf bin $(CONSOLE)/node_modules $(CONSOLE)/dist/assets $(CONSOLE)/dist/index.html
