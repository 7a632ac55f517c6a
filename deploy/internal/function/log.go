package function

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// NewLog returns a function's logger: one JSON object per line, like Lambda's own,
// with the request ID. level is Lambda's: DEBUG, INFO, WARN or ERROR. Default: INFO.
func NewLog(w io.Writer, level string) *slog.Logger {
	var least slog.Level
	if least.UnmarshalText([]byte(level)) != nil {
		least = slog.LevelInfo
	}
	return slog.New(requestIDHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: least, ReplaceAttr: lambdacontext.ReplaceAttr})})
}

// requestIDHandler adds the request ID of the invocation: the context's, else the
// running one's. A process has one invocation at a time.
type requestIDHandler struct{ slog.Handler }

var currentRequestID atomic.Pointer[string]

func (h requestIDHandler) Handle(ctx context.Context, r slog.Record) error {
	if c, ok := lambdacontext.FromContext(ctx); ok {
		r.AddAttrs(slog.String("requestId", c.AwsRequestID))
	} else if id := currentRequestID.Load(); id != nil {
		r.AddAttrs(slog.String("requestId", *id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestIDHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestIDHandler{h.Handler.WithAttrs(attrs)}
}
func (h requestIDHandler) WithGroup(name string) slog.Handler {
	return requestIDHandler{h.Handler.WithGroup(name)}
}

// requestID returns the request ID of the invocation, or "" outside of one.
func requestID(ctx context.Context) string {
	if c, ok := lambdacontext.FromContext(ctx); ok {
		return c.AwsRequestID
	}
	if id := currentRequestID.Load(); id != nil {
		return *id
	}
	return ""
}
