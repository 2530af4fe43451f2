// Package wire holds the JSON bodies of the client API that are not objects of the record plane (those are package
// state's types as they are). The server (clients/api), the Go client (clients/sdk) and, by their OpenAPI description, all
// other clients speak them. See PROTOCOL.md. It imports package fusion and state, and everyone under clients may import it.
package wire
