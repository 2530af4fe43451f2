package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/guantong-net/guantong/clients/wire"
	"github.com/guantong-net/guantong/fusion/state"
)

// nodeStates tells how the site's nodes are, this one first.
func (s *Server) nodeStates() []wire.NodeState {
	var list []wire.NodeState
	if s.d.Nodes != nil {
		list = s.d.Nodes()
	}
	if !slices.ContainsFunc(list, func(n wire.NodeState) bool { return n.Here }) {
		list = append(list, wire.NodeState{Node: s.cfg.Node, Here: true, Reachable: true, State: "serving"})
	}
	slices.SortStableFunc(list, func(a, b wire.NodeState) int {
		switch {
		case a.Here != b.Here && a.Here:
			return -1
		case a.Here != b.Here:
			return 1
		}
		return strings.Compare(a.Node, b.Node)
	})
	return list
}

// nodes are those that a client may go to, this one first. One that is out of reach from here is among them: the client may reach it.
func (s *Server) nodes() []wire.NodeInfo {
	out := []wire.NodeInfo{}
	for _, n := range s.nodeStates() {
		if n.URL != "" && n.Role != string(state.NodeRemoved) && n.Role != string(state.NodeJoining) {
			out = append(out, wire.NodeInfo{Node: n.Node, URL: n.URL, Media: n.Media})
		}
	}
	for _, url := range s.cfg.Nodes {
		url = strings.TrimSuffix(url, "/")
		if !slices.ContainsFunc(out, func(n wire.NodeInfo) bool { return n.URL == url }) {
			out = append(out, wire.NodeInfo{URL: url})
		}
	}
	return out
}

func (s *Server) listNodes(w http.ResponseWriter, _ *http.Request) error {
	list := s.nodeStates()
	for i, n := range list {
		if n.Here {
			st := s.status()
			list[i].Status, list[i].Heard = &st, st.Time
		}
	}
	return ok(w, map[string]any{"items": list})
}

// ofSite reports whether an Origin is that of a page from a node of this site.
func (s *Server) ofSite(origin string) bool {
	return origin != "" && slices.ContainsFunc(s.nodes(), func(n wire.NodeInfo) bool { return n.URL == origin })
}

// ownToken gives a page the token that its browser keeps for this node alone, so that it can go on at another one. Other pages cannot ask
// for it: what changes something by a cookie must come from our own.
func (s *Server) ownToken(w http.ResponseWriter, r *http.Request) error {
	tok, _ := token(r)
	return ok(w, wire.TokenReply{Token: tok})
}

// cors lets pages of the site's other nodes call here. They prove themselves by a token: a cookie is not asked of their browser.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" || !strings.HasPrefix(r.URL.Path, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		if s.ofSite(origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Retry-After, Upload-Offset, Content-Range, Content-Disposition")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Upload-Offset, Range")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// policy is the page's Content-Security-Policy: a page may talk to the nodes that the site had when it was loaded.
func (s *Server) policy(r *http.Request) string {
	others := ""
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		for _, n := range s.nodes() {
			host, secure := strings.CutPrefix(n.URL, "https://")
			if secure && host != r.Host && !strings.ContainsAny(host, " ;,'\"") {
				others += " " + n.URL + " wss://" + host
			}
		}
	}
	return fmt.Sprintf(contentPolicy, others)
}
