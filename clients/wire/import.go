package wire

import "github.com/guantong-net/guantong/fusion"

// ImportReply answers POST /import. Nothing was applied when Errors is not 0, or with ?check=1.
type ImportReply struct {
	Rows    []ImportRow `json:"rows"`
	Errors  int         `json:"errors"`
	Applied bool        `json:"applied"`
}

// ImportRow is what became of one line of the file. Passwords are shown here once.
type ImportRow struct {
	Line     int           `json:"line"`
	Number   fusion.Number `json:"number,omitempty"`
	Name     string        `json:"name,omitempty"`
	Action   string        `json:"action"` // create, change, same, refused
	Error    string        `json:"error,omitempty"`
	Detail   string        `json:"detail,omitempty"`
	User     string        `json:"user,omitempty"`
	Password string        `json:"password,omitempty"` // of the user, when it was made
	Username string        `json:"username,omitempty"` // of the extension
	Secret   string        `json:"secret,omitempty"`   // of the extension, when it was made
}
