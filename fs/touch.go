package fs

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// touchEvery is the shortest time between two orders to touch pages. systemd gives a path
// unit up that is woken 200 times within two seconds.
const touchEvery = 100 * time.Millisecond

// touches are the pages whose watchers are to be told.
type touches struct {
	mu    sync.Mutex
	pages map[string]bool
	news  chan struct{} // holds one
}

func newTouches() *touches {
	return &touches{pages: map[string]bool{}, news: make(chan struct{}, 1)}
}

// Touch tells those who watch a page that it is another one now: they get IN_ATTRIB, at once or, when
// they got one less than a tenth of a second ago, at the end of that. It returns at once. What is asked for
// after Unmount or Detach is not done.
func (f *FS) Touch(page string) {
	f.touches.mu.Lock()
	f.touches.pages[page] = true
	f.touches.mu.Unlock()
	select {
	case f.touches.news <- struct{}{}:
	default:
	}
}

// take returns the pages, once.
func (t *touches) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	pages := slices.Collect(maps.Keys(t.pages))
	clear(t.pages)
	return pages
}

// touchWanted has pages touched until the context ends.
func (f *FS) touchWanted(ctx context.Context) {
	for {
		select {
		case <-f.touches.news:
		case <-ctx.Done():
			return
		}
		if send(ctx, f.tasks, func() { f.touch(f.touches.take()) }) != nil {
			return
		}
		select {
		case <-time.After(touchEvery):
		case <-ctx.Done():
			return
		}
	}
}

// touch has the courier set the times of pages, of which the kernel tells watchers; the server ignores it.
func (f *FS) touch(pages []string) {
	errnos, err := f.courier.run(func(uint32) order {
		errands := make([]errand, len(pages))
		for i, page := range pages {
			errands[i] = errand{Do: doTouch, Path: pagesDir + "/" + page}
		}
		return f.order(errands...)
	})
	for _, code := range errnos {
		if err == nil {
			err = orNil(code)
		}
	}
	if err != nil {
		f.log.Warn("watchers of pages were not told", "pages", pages, "err", err)
	}
}
