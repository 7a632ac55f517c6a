package notifier

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A flood of requests from one account must not use up the function's concurrency
// and Slack's rate limits, and so delay other accounts.
const (
	accountRate  = rate.Limit(0.5) // requests a second of one account, in one process
	accountBurst = 30
	maxAccounts  = 1000
)

// accountLimits limits the requests of each account. The zero value is ready to use.
type accountLimits struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

// allow reports whether one more request of account may be handled at now.
func (a *accountLimits) allow(account string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.limiters) >= maxAccounts || a.limiters == nil {
		a.limiters = map[string]*rate.Limiter{}
	}
	l := a.limiters[account]
	if l == nil {
		l = rate.NewLimiter(accountRate, accountBurst)
		a.limiters[account] = l
	}
	return l.AllowN(now, 1)
}
