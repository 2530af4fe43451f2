package state

import (
	"github.com/guantong-net/guantong/fusion/command"
)

// ClusterVersion is the cluster version whose commands this program knows. It grows by one with each release that has a new command,
// or a new field of one; the new ones are named in New's table of since. The site's own version, in its state, is raised when every
// node has announced that it knows it, and until then nobody proposes them: an old node would have to stop.
const ClusterVersion = 1

// VersionChange raises the site's cluster version.
type VersionChange struct {
	Version uint32 `json:"version"`
}

// Version is the highest cluster version of which the machine knows all commands.
func (m *Machine) Version() uint32 { return m.version }

// Since is the cluster version that a site must have for a command to be proposed: for a batch that of its latest part.
func (m *Machine) Since(cmd command.Command) uint32 {
	if cmd.Type != command.Batch {
		return max(m.since[cmd.Type], 1)
	}
	b, err := payload[BatchChange](cmd)
	out := uint32(1)
	for _, inner := range b.Commands {
		if err == nil && inner.Type != command.Batch {
			out = max(out, m.Since(inner))
		}
	}
	return out
}

// Extended makes the machine of a later version, which knows one more command, that of an audit entry under another number: with it an
// upgrade can be tried before there is a later version.
func Extended(version uint32, t command.Type) *Machine {
	m := New()
	m.version = version
	m.handlers[t] = m.handlers[command.AuditAdd]
	m.since[t] = version
	return m
}

// raiseVersion notes that every node knows the commands of a version. Lower than it is it does not become.
func (c *change) raiseVersion(v VersionChange) error {
	c.target = "version"
	old, err := clusterVersion(c)
	if err != nil {
		return err
	}
	if v.Version <= old {
		return conflict("version_lower", "the site is at version %d already", old)
	}
	return save(c, tVersion.key(), v)
}

func clusterVersion(r Reader) (uint32, error) {
	v, there, err := load[VersionChange](r, tVersion.key())
	if err != nil || !there {
		return 1, err
	}
	return v.Version, nil
}

// ClusterVersion is the version whose commands may be proposed in the site: 1 until it is raised.
func (v *View) ClusterVersion() (uint32, error) { return clusterVersion(v.r) }
