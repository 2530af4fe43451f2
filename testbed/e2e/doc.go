// Package e2e holds Guantong to its promises from outside: tests that start the real guantong binary on loopback, misuse it as the world
// does, and look whether whoever caused it is told, whether it is counted, and whether everybody else goes on talking meanwhile.
//
// Invariants:
//   - The server is a process of its own, built once; most tests share one, under units, groups and addresses of their own.
//   - Nothing leaves loopback, every wait is bounded, and every process is ended by its id.
//   - A wait is for something that is looked at again and again, never for a time alone.
//
// Nobody imports it: there is nothing in it but tests. It needs Linux, root for the test of a full disk, and the Debian package ffmpeg.
package e2e
