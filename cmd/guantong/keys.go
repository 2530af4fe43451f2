package main

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/guantong-net/guantong/fusion/trust"
)

// authority opens the site's CA, and makes it when the site begins.
func authority(dir, site string) (*trust.Authority, error) {
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	cert, err := os.ReadFile(certFile)
	if errors.Is(err, os.ErrNotExist) {
		return newAuthority(dir, site, certFile, keyFile)
	}
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	return trust.LoadAuthority(cert, key, rand.Reader)
}

func newAuthority(dir, site, certFile, keyFile string) (*trust.Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a, err := trust.NewAuthority("Guantong "+site, rand.Reader, time.Now())
	if err != nil {
		return nil, err
	}
	key, err := a.Key()
	if err != nil {
		return nil, err
	}
	// The key first: a certificate without its key would be taken for a whole CA.
	if err := writeFile(keyFile, key); err != nil {
		return nil, err
	}
	return a, writeFile(certFile, a.Certificate())
}

// certificate is the server's: the operator's own, or one that the site's CA has issued for all the names it is reached by.
func certificate(c config, a *trust.Authority) (tls.Certificate, error) {
	if c.Console.Certificate != "" {
		cert, err := tls.LoadX509KeyPair(c.Console.Certificate, c.Console.Key)
		if err != nil {
			return cert, fmt.Errorf("console certificate: %w", err)
		}
		return cert, nil
	}
	names := serverNames(c)
	dir := filepath.Join(c.Data, "keys")
	chainFile, keyFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	if cert, err := tls.LoadX509KeyPair(chainFile, keyFile); err == nil && a.Fits(cert, names, time.Now()) {
		return cert, nil
	}
	chain, key, err := a.Issue(names, time.Now())
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := errors.Join(writeFile(keyFile, key), writeFile(chainFile, chain)); err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, key)
}

// serverNames are the names and addresses by which the server may be reached.
func serverNames(c config) []string {
	names := append(slices.Clone(c.Console.Names), "localhost", "127.0.0.1", "::1")
	if h, err := os.Hostname(); err == nil && h != "" {
		names = append(names, h)
	}
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
				names = append(names, n.IP.String())
			}
		}
	}
	slices.Sort(names[len(c.Console.Names):])
	return slices.Compact(names)
}

// writeFile puts a file in place whole or not at all, readable by the owner only.
func writeFile(name string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), name)
}
