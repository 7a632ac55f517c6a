package fakecfn

import (
	"encoding/json"
	"net/http"
	"strings"
)

// catalogTarget begins the X-Amz-Target header of calls to Service Catalog's API, in the AWS JSON 1.1 protocol.
const catalogTarget = "AWS242ServiceCatalogService."

// Product is a product as its administrator named it.
type Product struct {
	ID, Name string
	Versions []ProductVersion
}

// ProductVersion is a provisioning artifact.
type ProductVersion struct{ ID, Name string }

// AddProduct lists a product in the simulated Service Catalog, or replaces it. Products need not be listed to be launched.
func (e *Engine) AddProduct(p Product) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.products[p.ID] = p
}

// SetCatalogError makes Service Catalog's API answer with an error code, such as AccessDeniedException; empty: none.
func (e *Engine) SetCatalogError(code string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.catalogError = code
}

// serveCatalog serves a call of DescribeProductAsAdmin.
//
// https://docs.aws.amazon.com/servicecatalog/latest/dg/API_DescribeProductAsAdmin.html
func (e *Engine) serveCatalog(w http.ResponseWriter, r *http.Request) {
	if err := e.authenticate(r, "servicecatalog"); err != nil {
		writeJSON(w, http.StatusForbidden, catalogError(err.Code, err.Message))
		return
	}
	var in struct{ Id, Name string }
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), catalogTarget)
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&in)
	e.mu.Lock()
	p, listed := e.products[in.Id]
	code := e.catalogError
	e.mu.Unlock()
	switch {
	case operation != "DescribeProductAsAdmin":
		writeJSON(w, http.StatusBadRequest, catalogError("UnknownOperationException", ""))
	case err != nil:
		writeJSON(w, http.StatusBadRequest, catalogError("SerializationException", ""))
	case code != "":
		writeJSON(w, http.StatusBadRequest, catalogError(code, "simulated"))
	case in.Id == "" || in.Name != "":
		writeJSON(w, http.StatusBadRequest, catalogError("InvalidParametersException", "Specify the product by its ID."))
	case !listed:
		writeJSON(w, http.StatusBadRequest, catalogError("ResourceNotFoundException", "Product "+in.Id+" not found."))
	default:
		writeJSON(w, http.StatusOK, e.describeProduct(p))
	}
}

func (e *Engine) describeProduct(p Product) any {
	versions := []any{}
	for _, v := range p.Versions {
		versions = append(versions, map[string]any{"Id": v.ID, "Name": v.Name, "CreatedTime": 1.7e9})
	}
	return map[string]any{
		"ProductViewDetail": map[string]any{
			"ProductViewSummary": map[string]any{
				"Id": "prodview-" + strings.TrimPrefix(p.ID, "prod-"), "ProductId": p.ID, "Name": p.Name, "Owner": "Platform", "Type": "CLOUD_FORMATION_TEMPLATE", "HasDefaultPath": false,
			},
			"Status": "AVAILABLE", "ProductARN": "arn:" + e.partition + ":catalog:" + e.cfg.Region + ":" + e.cfg.Account + ":product/" + p.ID, "CreatedTime": 1.7e9,
		},
		"ProvisioningArtifactSummaries": versions, "Tags": []any{}, "TagOptions": []any{},
	}
}

func catalogError(code, message string) any {
	return map[string]any{"__type": code, "message": message}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // strings and numbers only; the caller may be gone
}
