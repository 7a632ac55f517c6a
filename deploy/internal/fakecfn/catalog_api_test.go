package fakecfn

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/servicecatalog"
	"github.com/aws/smithy-go"
)

func TestDescribeProductAsAdmin(t *testing.T) {
	e := New(Config{Region: "eu-west-1"})
	server := httptest.NewServer(e)
	defer server.Close()
	client := func(region string) *servicecatalog.Client {
		return servicecatalog.New(servicecatalog.Options{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDMADE", "made", ""), Retryer: aws.NopRetryer{}})
	}
	e.AddProduct(Product{ID: "prod-1", Name: "Warteschlange für alle", Versions: []ProductVersion{{"pa-1", "v1"}, {"pa-2", "v2"}}})
	describe := func(region string, in servicecatalog.DescribeProductAsAdminInput) (*servicecatalog.DescribeProductAsAdminOutput, string) {
		out, err := client(region).DescribeProductAsAdmin(context.Background(), &in)
		var api smithy.APIError
		if errors.As(err, &api) {
			return nil, api.ErrorCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return out, ""
	}
	out, code := describe("eu-west-1", servicecatalog.DescribeProductAsAdminInput{Id: aws.String("prod-1")})
	if code != "" || *out.ProductViewDetail.ProductViewSummary.Name != "Warteschlange für alle" || len(out.ProvisioningArtifactSummaries) != 2 || *out.ProvisioningArtifactSummaries[1].Name != "v2" {
		t.Errorf("%s: %+v", code, out)
	}
	for _, tt := range []struct {
		region, want string
		in           servicecatalog.DescribeProductAsAdminInput
	}{
		{"eu-west-1", "ResourceNotFoundException", servicecatalog.DescribeProductAsAdminInput{Id: aws.String("prod-2")}},
		{"eu-west-1", "InvalidParametersException", servicecatalog.DescribeProductAsAdminInput{}},
		{"us-east-1", "SignatureDoesNotMatch", servicecatalog.DescribeProductAsAdminInput{Id: aws.String("prod-1")}},
	} {
		if _, code := describe(tt.region, tt.in); code != tt.want {
			t.Errorf("%+v in %s: %q, want %s", tt.in, tt.region, code, tt.want)
		}
	}
	e.SetCatalogError("AccessDeniedException")
	if _, code := describe("eu-west-1", servicecatalog.DescribeProductAsAdminInput{Id: aws.String("prod-1")}); code != "AccessDeniedException" {
		t.Errorf("%q, want AccessDeniedException", code)
	}
}
