package peer

import "fmt"

// config is the whole configuration of a drill's server: everything on one address, on ports of its own. What is not said here is as the manual says.
func (s *Server) config() string {
	return fmt.Sprintf(`# Made by guantong-drill.
data: %q
console:
  listen: %q
  names: [%q]
media:
  listen: %q
telephone:
  udp: %q
  tcp: %q
  tls: ""
  rtp_low: %d
  rtp_high: %d
disk:
  reserve: 16MB
  warn: 32MB
profile: %q
%s`, s.Data(), s.HTTP, s.c.Host, s.media, s.SIP, s.SIP, s.rtpLow, s.rtpLow+1999, s.Profile, s.c.More)
}
