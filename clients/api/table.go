package api

import (
	"github.com/guantong-net/guantong/fusion/command"
	"github.com/guantong-net/guantong/fusion/identity"
)

// table lists every call of the API. openapi.yaml describes the same ones: a test compares them.
func (s *Server) table() []route {
	v1 := "/api/v1"
	routes := append(s.plain(), []route{
		{method: "POST", path: v1 + "/login", limit: 4 << 10, serve: s.login},
		{method: "POST", path: v1 + "/logout", guard: loggedIn, limit: 1 << 10, serve: s.logout},
		{method: "GET", path: v1 + "/me", guard: loggedIn, serve: s.whoAmI},
		{method: "POST", path: v1 + "/me/token", guard: loggedIn, limit: 1 << 10, serve: s.ownToken},
		{method: "POST", path: v1 + "/me/password", guard: loggedIn, limit: 4 << 10, serve: s.changePassword},
		{method: "POST", path: v1 + "/me/totp", guard: settled, limit: 1 << 10, serve: s.beginTOTP},
		{method: "POST", path: v1 + "/me/totp/confirm", guard: settled, limit: 1 << 10, serve: s.confirmTOTP},
		{method: "DELETE", path: v1 + "/me/totp", guard: settled, limit: 4 << 10, serve: s.endTOTP},

		{method: "GET", path: v1 + "/site", guard: settled, serve: s.siteInfo},
		{method: "PUT", path: v1 + "/site/exercise", guard: settled, right: identity.Exercise, serve: s.setExercise},

		{method: "GET", path: v1 + "/groups", guard: settled, serve: s.listGroups},
		{method: "PUT", path: v1 + "/groups/{n}", guard: settled, right: identity.AdminObjects, serve: s.putGroup},
		{method: "DELETE", path: v1 + "/groups/{n}", guard: settled, right: identity.AdminObjects, serve: s.deleteNumbered(command.GroupDelete)},
		{method: "GET", path: v1 + "/groups/{n}/members", guard: settled, serve: s.listMembers},
		{method: "PUT", path: v1 + "/groups/{n}/members/{unit}", guard: settled, right: identity.AdminObjects, serve: s.putMember},
		{method: "DELETE", path: v1 + "/groups/{n}/members/{unit}", guard: settled, right: identity.AdminObjects, serve: s.deleteMember},
		{method: "POST", path: v1 + "/groups/temporary", guard: settled, right: identity.Patch, serve: s.addTemporary},
		{method: "GET", path: v1 + "/units", guard: settled, serve: s.listUnits},
		{method: "PUT", path: v1 + "/units/{n}", guard: settled, right: identity.AdminObjects, serve: s.putUnit},
		{method: "DELETE", path: v1 + "/units/{n}", guard: settled, right: identity.AdminObjects, serve: s.deleteNumbered(command.UnitDelete)},
		{method: "GET", path: v1 + "/people", guard: settled, serve: s.listPeople},
		{method: "GET", path: v1 + "/users", guard: settled, right: identity.AdminUsers, serve: s.listUsers},
		{method: "PUT", path: v1 + "/users/{name}", guard: settled, right: identity.AdminUsers, serve: s.putUser},
		{method: "DELETE", path: v1 + "/users/{name}", guard: settled, right: identity.AdminUsers, serve: s.deleteUser},
		{method: "GET", path: v1 + "/extensions", guard: settled, right: identity.AdminObjects, serve: s.listExtensions},
		{method: "PUT", path: v1 + "/extensions/{n}", guard: settled, right: identity.AdminObjects, serve: s.putExtension},
		{method: "DELETE", path: v1 + "/extensions/{n}", guard: settled, right: identity.AdminObjects, serve: s.deleteNumbered(command.ExtensionDelete)},
		{method: "POST", path: v1 + "/import", guard: settled, limit: maxImport, timeout: importTimeout, serve: s.importCSV},

		{method: "GET", path: v1 + "/positions", guard: settled, serve: s.listPositions},
		{method: "PUT", path: v1 + "/positions/{n}", guard: settled, right: identity.AdminObjects, serve: s.putPosition},
		{method: "DELETE", path: v1 + "/positions/{n}", guard: settled, right: identity.AdminObjects, serve: s.deleteNumbered(command.PositionDelete)},
		{method: "POST", path: v1 + "/positions/{n}/take", guard: settled, right: identity.AdmitCall, serve: s.sit(true)},
		{method: "POST", path: v1 + "/positions/{n}/leave", guard: settled, right: identity.AdmitCall, serve: s.sit(false)},
		{method: "GET", path: v1 + "/positions/{n}/handovers", guard: settled, right: identity.ReplayAll, serve: s.listHandovers},
		{method: "GET", path: v1 + "/positions/{n}/log", guard: settled, right: identity.ReplayAll, serve: s.shiftLog},
		{method: "GET", path: v1 + "/patches", guard: settled, serve: s.listPatches},
		{method: "POST", path: v1 + "/patches", guard: settled, right: identity.Patch, serve: s.addPatch},
		{method: "DELETE", path: v1 + "/patches/{id}", guard: settled, right: identity.Patch, serve: s.partPatch},

		{method: "GET", path: v1 + "/messages", guard: settled, serve: s.listMessages},
		{method: "POST", path: v1 + "/messages", guard: settled, limit: messageBody, serve: s.postMessage},
		{method: "GET", path: v1 + "/messages/{id}/receipts", guard: settled, serve: s.listReceipts},
		{method: "POST", path: v1 + "/messages/{id}/receipts", guard: settled, limit: 1 << 10, serve: s.addReceipt},
		{method: "POST", path: v1 + "/messages/{id}/keep", guard: settled, right: identity.Export, limit: 1 << 10, serve: s.keepObject},
		{method: "POST", path: v1 + "/uploads", guard: settled, limit: 4 << 10, serve: s.beginUpload},
		{method: "GET", path: v1 + "/uploads/{id}", guard: settled, serve: s.uploadState},
		{method: "PATCH", path: v1 + "/uploads/{id}", guard: settled, limit: maxChunk, timeout: uploadTimeout, serve: s.appendUpload},
		{method: "GET", path: v1 + "/files/{hash}", guard: settled, timeout: downloadTimeout, serve: s.getFile},
		{method: "GET", path: v1 + "/alerts", guard: settled, serve: s.listAlerts},
		{method: "POST", path: v1 + "/alerts", guard: settled, limit: 32 << 10, serve: s.raiseAlert},
		{method: "POST", path: v1 + "/alerts/{id}/ack", guard: settled, right: identity.TalkAnywhere, limit: 1 << 10, serve: s.changeAlert(command.AlertAck)},
		{method: "POST", path: v1 + "/alerts/{id}/clear", guard: settled, right: identity.TalkAnywhere, limit: 1 << 10, serve: s.changeAlert(command.AlertClear)},
		{method: "GET", path: v1 + "/bursts", guard: settled, serve: s.listBursts},
		{method: "GET", path: v1 + "/bursts/{id}/audio", guard: settled, timeout: downloadTimeout, serve: s.burstAudio},
		{method: "POST", path: v1 + "/bursts/{id}/keep", guard: settled, right: identity.Export, limit: 1 << 10, serve: s.keepObject},
		{method: "GET", path: v1 + "/export", guard: settled, right: identity.Export, timeout: exportTimeout, serve: s.export},

		{method: "GET", path: v1 + "/calls", guard: settled, serve: s.listCalls},
		{method: "GET", path: v1 + "/calls/log", guard: settled, serve: s.listCallLog},
		{method: "POST", path: v1 + "/calls", guard: settled, limit: 1 << 10, serve: s.placeCall},
		{method: "GET", path: v1 + "/events", guard: settled, serve: s.listEvents},
		{method: "GET", path: v1 + "/audit", guard: settled, right: identity.ReadAudit, serve: s.listAudit},
		{method: "GET", path: v1 + "/status", guard: settled, right: identity.SeeStatus, serve: s.getStatus},
		{method: "GET", path: v1 + "/nodes", guard: settled, right: identity.SeeStatus, serve: s.listNodes},
		{method: "GET", path: v1 + "/ws", guard: settled, timeout: -1, serve: s.socket},
	}...)
	for _, d := range deeds() {
		routes = append(routes, route{method: "POST", path: v1 + "/calls/{id}/" + d.name, guard: settled, limit: 1 << 10, serve: s.actOnCall(d)})
	}
	return routes
}

// plain are the routes outside the API's own path, for supervisors and machines.
func (s *Server) plain() []route {
	return []route{
		{method: "GET", path: "/healthz", serve: s.healthz},
		{method: "GET", path: "/readyz", serve: s.readyz},
		{method: "GET", path: "/metrics", serve: s.metrics},
		{method: "GET", path: "/openapi.yaml", serve: s.describe},
	}
}
