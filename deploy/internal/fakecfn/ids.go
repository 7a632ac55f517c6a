package fakecfn

// Alphabets of generated identifiers.
const (
	digits     = "0123456789"
	upperAlnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + digits
	lowerAlnum = "abcdefghijklmnopqrstuvwxyz" + digits
	lowerHex   = digits + "abcdef"
)

// makeID returns n characters of the alphabet, determined by seed. They are not secret.
func makeID(seed string, n int, alphabet string) string {
	state := uint64(14695981039346656037) // FNV-1a
	for i := range len(seed) {
		state = (state ^ uint64(seed[i])) * 1099511628211
	}
	out := make([]byte, n)
	for i := range out {
		state += 0x9e3779b97f4a7c15 // SplitMix64
		z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		out[i] = alphabet[(z^z>>31)%uint64(len(alphabet))]
	}
	return string(out)
}

// makeUUID returns a UUID determined by seed.
func makeUUID(seed string) string {
	h := makeID(seed, 32, lowerHex)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
