package slacktest

import "time"

// Limits are rate limits. Over them a call answers 429 with Retry-After, and does
// nothing. The zero value limits nothing.
type RateLimits struct {
	PostsPerMinute int // chat.postMessage to one channel
	PostBurst      int // how many posts may come at once; at least 1

	// PerMinute limits other methods, each for the whole workspace. A full
	// minute's worth may come at once.
	PerMinute map[string]int
}

// PublishedLimits are the limits of docs.slack.dev/apis/web-api/rate-limits: a
// post a second for each channel, and the tier of each method. The size of the
// allowed burst is not published.
func PublishedRateLimits() RateLimits {
	const tier2, tier3, tier4 = 20, 50, 100
	return RateLimits{
		PostsPerMinute: 60,
		PostBurst:      5,
		PerMinute: map[string]int{
			"chat.update": tier3, "chat.delete": tier3, "chat.postEphemeral": tier4,
			"conversations.open": tier3, "conversations.info": tier3, "conversations.members": tier4, "conversations.list": tier2,
			"users.info": tier4, "users.lookupByEmail": tier3,
			"bots.info": tier3, "usergroups.list": tier2, "usergroups.users.list": tier2,
			"reactions.add": tier3, "reactions.remove": tier2,
			"views.open": tier4, "views.push": tier4, "views.update": tier4, "views.publish": tier4,
		},
	}
}

// admit takes one call under a limit of so many a minute with a burst. It keeps
// for each key the time up to which the allowance is used. The lock is held.
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

// admitMethod applies the limit of a whole method.
func (c *call) limitMethod() *apiError {
	n := c.config.RateLimits.PerMinute[c.method]
	return c.allow(c.method, n, n, c.now)
}

// admitPost applies the limit of posts to a channel.
func (c *call) limitPost(channelID string) *apiError {
	l := c.config.RateLimits
	return c.allow("post "+channelID, l.PostsPerMinute, l.PostBurst, c.now)
}
