package function

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// NewLog is the log of a function: a JSON object a line, as Lambda's own are,
// with the ID of the invocation. level is Lambda's: DEBUG, INFO, WARN or ERROR;
// empty or another: INFO.
func NewLog(w io.Writer, level string) *slog.Logger {
	var least slog.Level
	if least.UnmarshalText([]byte(level)) != nil {
		least = slog.LevelInfo
	}
	return slog.New(invoked{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least, ReplaceAttr: lambdacontext.ReplaceAttr})})
}

// invoked adds the ID of the invocation: that of the context, or, for lines
// without one, that of the invocation which is running. A process has but one
// at a time.
type invoked struct{ slog.Handler }

var running atomic.Pointer[string]

func (h invoked) Handle(ctx context.Context, r slog.Record) error {
	if c, ok := lambdacontext.FromContext(ctx); ok {
		r.AddAttrs(slog.String("requestId", c.AwsRequestID))
	} else if id := running.Load(); id != nil {
		r.AddAttrs(slog.String("requestId", *id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h invoked) WithAttrs(attrs []slog.Attr) slog.Handler {
	return invoked{h.Handler.WithAttrs(attrs)}
}
func (h invoked) WithGroup(name string) slog.Handler { return invoked{h.Handler.WithGroup(name)} }

// requestID is the ID of the invocation; empty outside of one.
func requestID(ctx context.Context) string {
	if c, ok := lambdacontext.FromContext(ctx); ok {
		return c.AwsRequestID
	}
	if id := running.Load(); id != nil {
		return *id
	}
	return ""
}
