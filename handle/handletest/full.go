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

// full returns a request with every exported field set, including fields that are
// added later, each to a different value. It breaks laws, which stores must not
// care about.
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

// filler sets each field to a different value.
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
		f.t.Fatalf("%s has type %s, which full cannot fill", path, v.Type())
	}
}

// overwrite changes all memory that r could share with copies of it: elements of
// slices and maps, and the targets of pointers.
func overwrite(r *handle.Request) { overwriteShared(reflect.ValueOf(r).Elem()) }

func overwriteShared(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			overwriteShared(v.Elem())
			v.Elem().SetZero()
		}
	case reflect.Slice:
		for i := range v.Len() {
			overwriteShared(v.Index(i))
			v.Index(i).SetZero()
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.Value{})
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				overwriteShared(v.Field(i))
			}
		}
	}
}

// Diff reports how got differs from want; empty if they are equal. Times are
// compared as instants, and empty lists and maps equal nil. Wait URLs are compared
// but not shown.
func Diff(want, got handle.Request) string {
	return cmp.Diff(want, got, digestWaitURL, cmpopts.EquateEmpty())
}

// digestWaitURL makes cmp compare digests: for values that print alike, it would
// print their content.
var digestWaitURL = cmp.Transformer("sha256", func(u handle.WaitURL) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(u.Expose())))
})
