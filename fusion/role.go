package fusion

// Role is what a user may do at a place and below it. System, security and audit administration exclude
// one another (三员分立), except for the first administrator of a trial node.
type Role string

// The roles.
const (
	Dispatcher    Role = "dispatcher"     // 调度员: talks in every group, breaks in, clears, monitors, patches
	Commander     Role = "commander"      // 指挥员: a dispatcher whose speech goes first
	Operator      Role = "operator"       // 运维: sees the machine, changes no right
	Auditor       Role = "auditor"        // 审阅: replays and exports
	UnitRole      Role = "unit"           // 终端用户: talks and writes where it is a member
	SystemAdmin   Role = "system_admin"   // 系统管理员: groups, units, extensions
	SecurityAdmin Role = "security_admin" // 安全管理员: users and their roles
	AuditAdmin    Role = "audit_admin"    // 审计管理员: reads the audit log
)

// Roles lists every role.
func Roles() []Role {
	return []Role{Dispatcher, Commander, Operator, Auditor, UnitRole, SystemAdmin, SecurityAdmin, AuditAdmin}
}

// Valid reports whether r is a known role.
func (r Role) Valid() bool {
	for _, known := range Roles() {
		if r == known {
			return true
		}
	}
	return false
}
