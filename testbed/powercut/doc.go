// Package powercut cuts the power of a file system: an ext4 on a loop device that is shut down without writing its journal, so that everything
// that was not forced to the disk is gone, as it is after a plug was pulled. kill -9 alone is no power cut: the kernel still
// has the page cache and writes it.
//
// Invariants:
//   - Only root can use it; New says so otherwise.
//   - The image is a plain file in a folder of the caller. No device but a free loop device is touched.
//   - The loop device is set to clear itself when its last user is gone, so that a Disk that is closed, or whose mount namespace has
//     ended, leaves nothing behind.
//   - Nothing repairs the file system between a cut and the next mount but ext4's own journal: no fsck.
//
// Only tests and cmd/guantong-drill may import it.
package powercut
