// Package desk is the switchboard: it decides where a telephone call goes and what a dispatcher may do with it.
//
// A call from an extension goes to a group, a unit, a position, or out by a trunk if the extension's class of service
// allows it. A call from outside goes to a position's queue; it comes into a group only when a dispatcher lets it. No
// call goes from trunk to trunk but by a dispatcher. Calls live in memory; what stays of them is a state.CallRecord.
//
// Transports implement Line and Dialler; clients call Switchboard.
package desk
