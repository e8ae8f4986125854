package fs

// OneByOne has this process handle one request at a time, for a test: a delivery must need
// none that waits for another. Publishing does, so nobody can do it then.
func OneByOne() { oneByOne = true }
