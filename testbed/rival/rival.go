package rival

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/guantong-net/guantong/testbed/peer"
)

// ErrNotInstalled reports a program that is not on this machine.
var ErrNotInstalled = errors.New("rival: not installed")

// Record is a rival's cluster.
type Record interface {
	// Write writes one value by the node of a number (0: the leader's) and returns when it is acknowledged.
	Write(ctx context.Context, node int, value []byte) error
	// Nodes are the processes, for their usage.
	Nodes() []*peer.Process
	// Version says what it is, and how it syncs.
	Version() string
	Close()
}

// Places are where the nodes of a rival keep their data: one folder for each.
type Places struct {
	Dir  string   // of configuration and certificates
	Data []string // one for each node; they exist
}

// synchronous makes every write to files that are made in a folder from now on return only when it is on the disk (chattr +S): they inherit it.
func synchronous(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("rival: synchronous: %w", err)
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags|syncFlag)
	}
	if err != nil {
		return fmt.Errorf("rival: %s cannot be made synchronous: %w", folder, err)
	}
	return nil
}

// syncFlag is FS_SYNC_FL of include/uapi/linux/fs.h.
const syncFlag = 0x8

func look(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotInstalled, err)
	}
	return path, nil
}

// identity is one key and certificate for all nodes of a rival, which is its own authority.
type identity struct {
	cert, key string // PEM files
	pool      *x509.CertPool
	pair      tls.Certificate
}

func newIdentity(dir string) (*identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("rival: identity: %w", err)
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("rival: identity: %w", err)
	}
	secret, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("rival: identity: %w", err)
	}
	i := &identity{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), pool: x509.NewCertPool()}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
	i.pool.AppendCertsFromPEM(certPEM)
	i.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	if err = errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(i.cert, certPEM, 0o600), os.WriteFile(i.key, keyPEM, 0o600)); err != nil {
		return nil, fmt.Errorf("rival: identity: %w", err)
	}
	return i, nil
}

func (i *identity) client() *tls.Config {
	return &tls.Config{RootCAs: i.pool, Certificates: []tls.Certificate{i.pair}, MinVersion: tls.VersionTLS12}
}

// retry asks again until it works: a cluster that has just been started has no leader yet.
func retry(ctx context.Context, what string, f func(context.Context) error) error {
	for {
		short, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := f(short)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("rival: %s: %w: %w", what, ctx.Err(), err)
		}
	}
}

// tails is what the nodes have said last.
func tails(nodes []*peer.Process) string {
	out := ""
	for _, p := range nodes {
		out += "\n" + p.Log().Tail(400)
	}
	return out
}

// leaderFirst gives the order of the nodes with the leader at its beginning.
func leaderFirst(n, leader int) []int {
	out := []int{leader}
	for i := range n {
		if i != leader {
			out = append(out, i)
		}
	}
	return out
}
