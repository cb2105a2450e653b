// Package tensorboard brings TensorBoard's event files into a database and
// follows those that are still being written.
//
//	report, err := tensorboard.Import(ctx, db, "logs", nil)
//
// An event file is a sequence of records of TFRecord's framing, numbers
// little-endian:
//
//	offset  bytes  field
//	0       8      n, length of the data
//	8       4      masked CRC-32C of the 8 bytes before
//	12      n      data: an Event in protobuf's wire format
//	12+n    4      masked CRC-32C of the data
//
// where masked(c) = (c>>15 | c<<17) + 0xa282ead8. No length is trusted before
// its checksum is right and the file has as many bytes. A record whose data is
// damaged is left out; behind a damaged length the next record is searched byte
// by byte. Both are counted. The end of a file that is no whole record is what a
// live file looks like: it is read again later.
//
// # What becomes of it
//
// Every folder that directly holds event files is a run, named by its path below
// the folder imported, as TensorBoard names it, "." for that folder itself. Its
// files are read in the order of their names.
//
//   - A scalar, as a simple value or a tensor of one number, is a point of the
//     metric named by its tag, at its step and wall time. A tag that is no valid
//     key has "_" for each character that is not, and a digest behind it.
//   - A text is the tag "text/<tag>" of the run; the last one counts.
//   - Hyperparameters of the plugin hparams are params, and the status of its
//     session is that of the run.
//   - All else (images, histograms, graphs …) is counted and left out.
//
// A program that was restarted from a checkpoint says so in its event file.
// TensorBoard then hides the points from that step on that were logged before;
// they are left out here too, unless an earlier import had them already.
//
// # Doing it again
//
// The id of a run follows from the experiment's name, its path and the name of
// its first file, and tags "runstone.tensorboard.<file>" of the run say up to
// which byte a file is imported. They are written together with the points, so
// that an import that was killed goes on where it was, and one more import adds
// only what is new. Where another process holds the database tags and points are
// two changes; a kill between them can double the last points.
package tensorboard
