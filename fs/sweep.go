package fs

import "time"

// schedule makes sure that drafts are looked at again while there are any. It
// needs the lock.
func (s *drafts) schedule() {
	if s.timer == nil && !s.stopped && len(s.byNode) > 0 {
		s.timer = time.AfterFunc(min(s.limit.age/4, longestSweep), s.sweep)
	}
}

// sweep forgets what nobody will complete.
func (s *drafts) sweep() {
	s.mu.Lock()
	all := make([]*draft, 0, len(s.byNode))
	for _, d := range s.byNode {
		all = append(all, d)
	}
	s.mu.Unlock()
	for _, d := range all {
		if s.abandoned(d) && s.forget(d) {
			s.missed(d)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	s.schedule()
}

// abandoned reports whether a draft that nobody has open is too old, was
// announced to a thread that never came for it, or is a temporary file of a process that has
// ended.
func (s *drafts) abandoned(d *draft) bool {
	d.mu.Lock()
	open, untouched, path, idle := d.handles > 0, !d.touched && !d.empty, d.path, time.Since(d.used)
	d.mu.Unlock()
	switch {
	case open:
		return false
	case idle > s.limit.age, untouched && idle > markAge:
		return true
	}
	return s.hopeless(path) && !alive(d.process)
}

// uses returns when each path was last used by a draft.
func (s *drafts) uses() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	uses := map[string]time.Time{}
	for _, d := range s.byNode {
		d.mu.Lock()
		at, path := d.used, d.path
		if d.handles > 0 {
			at = time.Now()
		}
		d.mu.Unlock()
		if at.After(uses[path]) {
			uses[path] = at
		}
	}
	return uses
}

// forget removes a draft unless it was opened meanwhile, and reports whether its half waited until now.
func (s *drafts) forget(d *draft) (waited bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.mu.Lock()
	open := d.handles > 0
	waited = !open && d.waits()
	d.mu.Unlock()
	if !open {
		s.remove(d)
	}
	return waited
}

// thin makes room for one more half of a path.
func (s *drafts) thin(path string) {
	var waiting []*draft
	at := s.at(path)
	if len(at) < maxWaiting {
		return
	}
	for _, d := range at {
		if !alive(d.process) {
			waiting = append(waiting, d)
		}
	}
	for _, d := range waiting[:max(0, len(waiting)-maxWaiting+1)] {
		s.forget(d)
	}
}

// stop ends the timer for good: a mount that goes away forgets its drafts.
func (s *drafts) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
