package live

import (
	"context"
	"sync"
)

const (
	streamQueue   = 2048
	datagramQueue = 512
	maxVoice      = 1000 // octets of a frame of speech, so that it fits a datagram with two names before it
	bufferSize    = maxVoice + 3 + 2*maxName
)

// rail serves one path: what is to be sent waits in queues, so that nobody waits for the other end.
type rail struct {
	path  Path
	ctx   context.Context
	end   context.CancelFunc
	out   chan []byte
	loose chan *buffer
	pool  sync.Pool
}

// buffer is one datagram that waits.
type buffer struct {
	n int
	b [bufferSize]byte
}

func newRail(ctx context.Context, path Path) *rail {
	r := &rail{path: path, out: make(chan []byte, streamQueue), loose: make(chan *buffer, datagramQueue)}
	r.ctx, r.end = context.WithCancel(ctx)
	r.pool.New = func() any { return new(buffer) }
	return r
}

func (r *rail) close(reason string) {
	r.end()
	_ = r.path.Close(reason)
}

// serve carries frames both ways until the path is over.
func (r *rail) serve(l *Link) {
	var parts sync.WaitGroup
	defer parts.Wait()
	defer r.close("over")
	parts.Go(r.writeStream)
	parts.Go(r.writeDatagrams)
	parts.Go(func() { r.readDatagrams(l) })
	for {
		frame, err := readFrame(r.path)
		if err != nil {
			return
		}
		l.hear(r, frame)
	}
}

func (r *rail) writeStream() {
	defer r.close("over")
	if writeFrame(r.path, []byte{kindHello}) != nil { // the other end sees the stream with its first octet
		return
	}
	for {
		select {
		case frame := <-r.out:
			if writeFrame(r.path, frame) != nil {
				return
			}
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *rail) writeDatagrams() {
	defer r.close("over")
	for {
		select {
		case d := <-r.loose:
			err := r.path.SendDatagram(d.b[:d.n])
			r.pool.Put(d)
			if err != nil {
				return
			}
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *rail) readDatagrams(l *Link) {
	defer r.close("over")
	for {
		frame, err := r.path.ReceiveDatagram(r.ctx)
		if err != nil {
			return
		}
		if len(frame) > 0 {
			l.hear(r, frame)
		}
	}
}

// stream queues a frame of the stream; a frame that finds no room is lost and sent again later.
func (r *rail) stream(frame []byte) bool {
	select {
	case r.out <- frame:
		return true
	default:
		return false
	}
}

// datagram queues a whole frame.
func (r *rail) datagram(frame []byte) bool {
	if len(frame) > bufferSize {
		return false
	}
	d := r.pool.Get().(*buffer)
	d.n = copy(d.b[:], frame)
	return r.queue(d)
}

// voice queues a frame of speech.
func (r *rail) voice(frame []byte) bool {
	d := r.pool.Get().(*buffer)
	d.b[0] = kindVoice
	d.n = 1 + copy(d.b[1:], frame)
	return r.queue(d)
}

func (r *rail) queue(d *buffer) bool {
	select {
	case r.loose <- d:
		return true
	default:
		r.pool.Put(d)
		return false
	}
}
