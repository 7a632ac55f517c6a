package doctor

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// manifestScopes are the bot scopes of the app manifest that the stack gives
// out: what this version of Countersign uses. See
// https://docs.slack.dev/reference/app-manifest
func (d *doctor) manifestScopes() ([]string, error) {
	s, err := d.stack()
	if err != nil {
		return nil, err
	}
	return scopesOf(s.outputs["SlackManifest"])
}

func scopesOf(manifest string) ([]string, error) {
	var m struct {
		OAuth struct {
			Scopes struct {
				Bot []string `yaml:"bot"`
			} `yaml:"scopes"`
		} `yaml:"oauth_config"`
	}
	if err := yaml.Unmarshal([]byte(manifest), &m); err != nil {
		return nil, fmt.Errorf("the app manifest cannot be read: %w", err)
	}
	if len(m.OAuth.Scopes.Bot) == 0 {
		return nil, errors.New("the app manifest names no scopes")
	}
	return m.OAuth.Scopes.Bot, nil
}
