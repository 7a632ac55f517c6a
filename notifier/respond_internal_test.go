package notifier

import "testing"

func TestAnswersGoToCloudFormationAlone(t *testing.T) {
	n := &Notifier{Origins: []string{"http://127.0.0.1:4310"}}
	const bucket = "cloudformation-custom-resource-response-"
	for raw, want := range map[string]bool{
		"https://" + bucket + "useast1.s3.amazonaws.com/x?y":                   true,
		"https://" + bucket + "uswest2.s3-us-west-2.amazonaws.com/x":           true,
		"https://" + bucket + "euwest3.s3.eu-west-3.amazonaws.com/x":           true,
		"https://" + bucket + "euwest3.s3.dualstack.eu-west-3.amazonaws.com/x": true,
		"https://" + bucket + "cnnorth1.s3.cn-north-1.amazonaws.com.cn/x":      true,
		"https://" + bucket + "euscdeeast1.s3.eusc-de-east-1.amazonaws.eu/x":   true,
		"http://127.0.0.1:4310/x":                                              true,
		"http://127.0.0.1:4311/x":                                              false,
		"http://" + bucket + "useast1.s3.amazonaws.com/x":                      false,
		"https://me@" + bucket + "useast1.s3.amazonaws.com/x":                  false,
		"https://" + bucket + "useast1.s3.amazonaws.com.evil.example/x":        false,
		"https://" + bucket + "useast1.s3.amazonaws.com:8443/x":                false,
		"https://evil.s3.amazonaws.com/x":                                      false,
		"https://ec2-203-0-113-9.compute-1.amazonaws.com/x":                    false,
		"https://169.254.169.254/x":                                            false,
		"":                                                                     false,
		"https://" + bucket + "x.evil.example/.s3.amazonaws.com/" + bucket:     false,
	} {
		if _, err := n.responseURL(raw); (err == nil) != want {
			t.Errorf("%q: error %v, want it taken: %v", raw, err, want)
		}
	}
}
