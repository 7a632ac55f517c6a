package gate

import "strings"

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// consistsOf reports whether every byte of s is in the alphabet.
func consistsOf(s, alphabet string) bool { return strings.Trim(s, alphabet) == "" }
