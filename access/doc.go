// Package access knows who may use a server and what each may do.
//
// Users have a name, a password, API tokens and grants. A [Grant] gives one
// user a [Level] on one experiment, by its id, or on one registered model, by
// its name; "*" stands for all of them. Where nothing is granted the default
// level holds, which is [Read] unless it is changed. Administrators may do
// everything.
//
// All of it is one sealed file, "access" in the directory of the database,
// which only its owner may read. Its body is msgpack:
//
//	[next user id, default level, [user …]]
//	user   [id, name, admin, password, [token …], [grant …]]
//	password  [KiB, passes, threads, salt, argon2id hash], or empty fields
//	token  [id, note, SHA-256 of the token, created, expires], times in Unix ms
//	grant  [kind, id, level]
//
// Neither passwords nor tokens are stored, and no error holds one. Writers lock
// the file "access.lock" beside it. A [Store] that is open sees what another
// process changes at its next question, so that a token is dead as soon as it
// is revoked.
package access
