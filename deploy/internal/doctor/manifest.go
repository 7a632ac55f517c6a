package doctor

import (
	"errors"
	"fmt"
	"slices"

	"github.com/slack-go/slack"
	"go.yaml.in/yaml/v4"
)

// manifestScopes returns the bot scopes of the app manifest in the stack's outputs,
// which are those that the deployed version uses. See
// https://docs.slack.dev/reference/app-manifest
func (d *doctor) manifestScopes() ([]string, error) {
	s, err := d.stack()
	if err != nil {
		return nil, err
	}
	scopes, err := ManifestScopes(s.outputs["SlackManifest"])
	if err != nil {
		return nil, fmt.Errorf("the stack output SlackManifest: %w", err)
	}
	return scopes, nil
}

// ManifestScopes returns the bot scopes of an app manifest.
func ManifestScopes(manifest string) ([]string, error) {
	var m struct {
		OAuth struct {
			Scopes struct {
				Bot []string `yaml:"bot"`
			} `yaml:"scopes"`
		} `yaml:"oauth_config"`
	}
	if err := yaml.Unmarshal([]byte(manifest), &m); err != nil {
		return nil, fmt.Errorf("the app manifest cannot be parsed: %w", err)
	}
	if len(m.OAuth.Scopes.Bot) == 0 {
		return nil, errors.New("the app manifest names no bot scopes")
	}
	return m.OAuth.Scopes.Bot, nil
}

// MissingScopes returns the scopes of an app manifest that a token lacks, by Slack's
// answer to auth.test. If Slack did not report scopes, there are none.
func MissingScopes(manifest string, self *slack.AuthTestResponse) ([]string, error) {
	wanted, err := ManifestScopes(manifest)
	header := self.Header.Get("X-Oauth-Scopes")
	if err != nil || header == "" {
		return nil, err
	}
	granted := split(header)
	return slices.DeleteFunc(wanted, func(s string) bool { return slices.Contains(granted, s) }), nil
}
