package handletest

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"countersign/handle"
)

// full returns a request with every field set that there is or ever will be,
// each to a value of its own. Most of it breaks the laws: a store knows none.
func full(t *testing.T, n int) handle.Request {
	t.Helper()
	f := filler{t: t, zone: time.FixedZone("", 2*3600)}
	var r handle.Request
	f.fill(reflect.ValueOf(&r).Elem(), "Request")
	r.Rev = 0
	r.CreatedAt = time.Date(2026, 11, 30, 23, 59, 59, 999999999, time.UTC)
	r.Stack.ID = fmt.Sprintf("arn:aws:cloudformation:eu-west-3:111122223333:stack/full/%d", n)
	r.ID = handle.NewID(r.Stack.ID, "ApprovalRequest", "full")
	return r
}

// filler sets values to what no other value of the same request has.
type filler struct {
	t    *testing.T
	n    int
	zone *time.Location
}

func (f *filler) fill(v reflect.Value, path string) {
	f.n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 22, 10, 0, f.n, f.n, f.zone)))
		return
	case handle.WaitURL:
		v.Set(reflect.ValueOf(handle.StoredWaitURL("https://wait.example.com/a%3Ab%7Cc?d=e&f=%2B+<" + path + ">")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(path + " <&\"\\> é😀\u2028")
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), path)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range 2 {
			key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key, fmt.Sprintf("%s key %d", path, i))
			f.fill(elem, fmt.Sprintf("%s value %d", path, i))
			v.SetMapIndex(key, elem)
		}
	default:
		f.t.Fatalf("%s is a %s, and full does not know how to fill one", path, v.Type())
	}
}

// scribble overwrites all memory that r shares with copies of it: elements of
// slices and maps, and what pointers lead to.
func scribble(r *handle.Request) { scribbleShared(reflect.ValueOf(r).Elem()) }

func scribbleShared(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scribbleShared(v.Elem())
			v.Elem().SetZero()
		}
	case reflect.Slice:
		for i := range v.Len() {
			scribbleShared(v.Index(i))
			v.Index(i).SetZero()
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.Value{})
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				scribbleShared(v.Field(i))
			}
		}
	}
}

// Diff reports how got differs from want; it is empty if every law would treat
// the two the same. Times are compared as instants, and a list or map that is
// empty equals one that is nil. Wait URLs are compared, and not shown.
func Diff(want, got handle.Request) string {
	return cmp.Diff(want, got, digestWaitURL, cmpopts.EquateEmpty())
}

// digestWaitURL lets cmp see the digest alone: where two values print the same,
// it prints what is inside them.
var digestWaitURL = cmp.Transformer("sha256", func(u handle.WaitURL) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(u.Expose())))
})
