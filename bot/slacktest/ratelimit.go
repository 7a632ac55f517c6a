package slacktest

import "time"

// RateLimits are rate limits. A call above them has no effect and is answered with
// 429 and Retry-After. The zero value limits nothing.
type RateLimits struct {
	PostsPerMinute int // chat.postMessage, per channel
	PostBurst      int // posts that may arrive at once; at least 1

	// PerMinute limits other methods, per workspace. A whole minute's calls may arrive
	// at once.
	PerMinute map[string]int
}

// PublishedRateLimits returns the limits of
// https://docs.slack.dev/apis/web-api/rate-limits: one post per second and channel,
// and the tier of each method. Slack does not publish the allowed burst.
func PublishedRateLimits() RateLimits {
	const tier2, tier3, tier4 = 20, 50, 100
	return RateLimits{
		PostsPerMinute: 60,
		PostBurst:      5,
		PerMinute: map[string]int{
			"chat.update": tier3, "chat.postEphemeral": tier4,
			"conversations.info": tier3, "conversations.list": tier2,
			"users.info": tier4, "users.lookupByEmail": tier3,
			"bots.info": tier3, "usergroups.list": tier2, "usergroups.users.list": tier2,
			"reactions.add": tier3, "reactions.remove": tier2,
			"views.open": tier4, "views.push": tier4, "views.update": tier4, "views.publish": tier4,
		},
	}
}

// allow counts one call against a limit of perMinute calls with a burst. For each
// key it stores the time up to which the allowance is used. The lock is held.
func (w *Workspace) allow(key string, perMinute, burst int, now time.Time) *apiError {
	if perMinute <= 0 {
		return nil
	}
	every := time.Minute / time.Duration(perMinute)
	used := w.rateUsed[key]
	if used.Before(now) {
		used = now
	}
	if wait := used.Sub(now) - time.Duration(max(burst, 1)-1)*every; wait > 0 {
		return rateLimited(wait)
	}
	w.rateUsed[key] = used.Add(every)
	return nil
}

// limitMethod applies the method's limit.
func (c *call) limitMethod() *apiError {
	n := c.config.RateLimits.PerMinute[c.method]
	return c.allow(c.method, n, n, c.now)
}

// limitPost applies the limit of posts to one channel.
func (c *call) limitPost(channelID string) *apiError {
	l := c.config.RateLimits
	return c.allow("post "+channelID, l.PostsPerMinute, l.PostBurst, c.now)
}
