package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"countersign/deploy/internal/awsconfig"
)

// bucketName returns the bucket of the zips: the given one, the stack's present one, or
// the default.
func (i *installer) bucketName() string {
	switch {
	case i.Bucket != "":
		return i.Bucket
	case i.stack.parameters["CodeBucket"] != "":
		return i.stack.parameters["CodeBucket"]
	}
	return "countersign-" + i.account + "-" + i.region
}

// findBucket reports whether the bucket exists. It refuses a bucket that belongs to a different account,
// which could replace the zips, and one in another Region, from which Lambda cannot read
// them.
func (i *installer) findBucket(ctx context.Context) (found bool, err error) {
	name := i.bucketName()
	out, err := i.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: &i.account})
	region := ""
	if out != nil {
		region = aws.ToString(out.BucketRegion)
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		region = response.Response.Header.Get("X-Amz-Bucket-Region")
	}
	switch {
	case region != "" && region != i.region:
		return false, fmt.Errorf("the bucket %s is in %s, but Lambda takes code only from a bucket in the stack's Region, %s: give another with --bucket", name, region, i.region)
	case err == nil:
		return true, nil
	case response != nil && response.HTTPStatusCode() == 404:
		return false, nil
	case response != nil && response.HTTPStatusCode() == 403:
		return false, fmt.Errorf("the bucket %s belongs to another account, or %s is not allowed s3:ListBucket on it: give another with --bucket", name, i.identity)
	}
	return false, i.callError("look for the bucket "+name, "s3:ListBucket", err)
}

// upload creates the bucket if there is none, and uploads the release's files that it
// lacks. It returns the template's URL.
func (i *installer) upload(ctx context.Context) (templateURL string, err error) {
	found, err := i.findBucket(ctx)
	if err != nil {
		return "", err
	}
	name := i.bucketName()
	if !found {
		fmt.Fprintf(i.prompt, "Creating the bucket %s\n", name)
		if err := i.createBucket(ctx, name); err != nil {
			return "", err
		}
	}
	template := i.release.templateObject()
	for _, o := range append(i.release.objects[:len(i.release.objects):len(i.release.objects)], template) {
		if err := i.put(ctx, name, o); err != nil {
			return "", err
		}
	}
	return "https://s3." + i.region + "." + awsconfig.Scope{Region: i.region}.Domain() + "/" + name + "/" + template.key, nil
}

// createBucket creates a bucket without public access. If the process dies before the
// bucket has all settings, the next run finds a bucket that is nevertheless private and
// encrypted: both are S3's defaults. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html
func (i *installer) createBucket(ctx context.Context, name string) error {
	in := &s3.CreateBucketInput{Bucket: &name}
	if i.region != "us-east-1" { // which may not be named
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(i.region)}
	}
	_, err := i.s3.CreateBucket(ctx, in)
	if code := awsconfig.ErrorCode(err); code == "BucketAlreadyExists" {
		return fmt.Errorf("another AWS account has a bucket %s: give another name with --bucket", name)
	}
	if err != nil {
		return i.callError("create the bucket "+name, "s3:CreateBucket", err)
	}
	_, err = i.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &name, ExpectedBucketOwner: &i.account,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true)}})
	if err != nil {
		return i.callError("block public access to the bucket "+name, "s3:PutBucketPublicAccessBlock", err)
	}
	_, err = i.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &name, ExpectedBucketOwner: &i.account,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}}}})
	return i.callError("encrypt the bucket "+name, "s3:PutEncryptionConfiguration", err)
}

// put uploads a file unless the bucket has it with the same content.
func (i *installer) put(ctx context.Context, bucket string, o object) error {
	sum := sha256.Sum256(o.content)
	checksum := base64.StdEncoding.EncodeToString(sum[:])
	found, err := i.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &o.key, ExpectedBucketOwner: &i.account, ChecksumMode: types.ChecksumModeEnabled})
	if err == nil && aws.ToString(found.ChecksumSHA256) == checksum {
		return nil
	}
	fmt.Fprintf(i.prompt, "Uploading %s (%d kB)\n", o.key, (len(o.content)+999)/1000)
	_, err = i.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &o.key, Body: bytes.NewReader(o.content), ExpectedBucketOwner: &i.account,
		ChecksumSHA256: &checksum,
	})
	return i.callError("upload "+o.key, "s3:PutObject", err)
}
